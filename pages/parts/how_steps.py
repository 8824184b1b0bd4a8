"""The method in six steps, each with a drawing and, where it says more than words, its formula."""

from dataclasses import dataclass

import streamlit as st

from pages.parts.how_drawings import DRAWINGS, Drawing
from pages.parts.state import theme

DRAWN_WIDTH = 220


@dataclass(frozen=True)
class Step:
    title: str
    text: str
    drawing: Drawing
    formula: str = ""


STEPS = (
    Step(
        "Tasks on one data set",
        "A data set comes with $n$ tasks, each with its own labels. Each task has training, validation and test "
        "examples; the estimate sees no test example.",
        DRAWINGS["tasks"],
    ),
    Step(
        "A base model",
        "One model learns all tasks at once and is stopped early: $\\theta^*$. It is the point from which training on "
        "any subset of tasks is predicted. $M$ of them, from different seeds, can be averaged.",
        DRAWINGS["model"],
    ),
    Step(
        "Gradients of the examples",
        "For each example, the gradient $g$ is the direction in which it pulls the model. It is shortened to $d$ "
        "numbers. Near $\\theta^*$ the model's output is nearly linear in its parameters $W$:",
        DRAWINGS["gradients"],
        r"f_W(x) \approx f_{\theta^*}(x) + \langle g,\; W - \theta^* \rangle",
    ),
    Step(
        "Scores of subsets of tasks",
        "For each of $m$ subsets $S$ of $\\alpha$ tasks, a small regression on the gradients of their examples takes "
        "the place of training; it predicts the validation score $f(S, i)$ of each task $i$ in $S$. Some small models "
        "are really trained beside it, and an additive model joins both.",
        DRAWINGS["subsets"],
    ),
    Step(
        "Affinity",
        "What task $j$ does for task $i$ is the mean score of $i$ over all subsets that hold both. Row: the task that "
        "is judged. Column: the task that helps or hurts. The two directions can differ.",
        DRAWINGS["affinity"],
        r"T_{ij} = \operatorname{mean}\,\{\, f(S, i) : i, j \in S \,\}",
    ),
    Step(
        "Groups",
        "The $k$ groups are those of the highest average density: affinities inside a group, divided by its size. A "
        "convex relaxation gives an upper bound that no grouping exceeds, so each grouping shows its gap. Then one "
        "model per group is trained.",
        DRAWINGS["groups"],
        r"\textstyle \max \; \sum_{G} \frac{1}{|G|} \sum_{i, j \in G} T_{ij}",
    ),
)


def show_steps() -> None:
    st.header("The method in six steps")
    with st.container(key="how_steps"), st.grid(3, min_column_width=300, gap="medium"):
        for number, step in enumerate(STEPS, start=1):
            with st.container(border=True, height="stretch"):
                st.image(step.drawing.svg(theme()), alt=step.drawing.alt, width=DRAWN_WIDTH)
                st.markdown(f"**{number}. {step.title}**")
                st.markdown(step.text)
                if step.formula:
                    st.latex(step.formula)
    st.caption(
        "Steps 1 to 6 are Grad-TAG; early stopping, principal directions and the small models are ours, and the preset "
        "of the paper leaves them out. The Story page tells the same for one run, with its own numbers."
    )
