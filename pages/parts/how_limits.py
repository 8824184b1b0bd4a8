"""Where the method fails or misleads, each with what was measured and the command that measures it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

Rows = Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Limit:
    title: str
    text: str
    command: str
    table: Rows = ()


LIMITS = (
    Limit(
        "The distance hides what matters",
        "It is dominated by how hard each task is. A constant predictor, which knows nothing of who helps whom, nearly "
        "meets it, and a random affinity with the right mean for each task meets it. Only the row Spearman tells them "
        "apart. The paper's distance is the square of this one.",
        "python -m gradtag_core compare sample-debian",
        (
            {"By": "estimate", "Row Spearman": "0.57", "Column Spearman": "0.98", "Distance": "1.0 %"},
            {"By": "random order", "Row Spearman": "0.00", "Column Spearman": "0.98", "Distance": "1.2 %"},
            {
                "By": "constant predictor",
                "Row Spearman": "0.00",
                "Column Spearman": "0.91",
                "Distance": "3.2 %",
            },
        ),
    ),
    Limit(
        "The truth is noisy too",
        "The row Spearman of 0.57 above is 67 % of its ceiling of 0.85: against two seeds of real training, nothing "
        "could be seen to do better than 0.85. Few really trained subsets leave most pairs with one meeting, and a "
        "comparison with them can neither praise nor damn.",
        "python -m gradtag_core compare sample-debian",
    ),
    Limit(
        "Linearisation fails far from the base model",
        "Models fine-tuned for as long as real training takes end 43 % of the base model's length away, where the "
        "expansion misses 11 % of their outputs (14 % on `sample-yeast`). The paper reports at most 3.4 % within 10 %. "
        "Long training and large steps move further; adapters on a pretrained text model move less and miss 1.6 %.",
        "python -m gradtag_core linearise sample-debian",
    ),
    Limit(
        "A converged base model says less",
        "Where the base model already fits its examples, their gradients hardly tell the tasks apart. Of the ceiling, "
        "gradients alone reach 0.30 from a base model of 5 epochs, 0.18 from one of 10, as long as real training, and "
        "0.07 from one of 20.",
        "python -m benchmarks.accuracy",
    ),
    Limit(
        "A random projection loses more than principal directions",
        "At d = 200, principal directions of the training gradients reach 0.30 of the ceiling for 1.0 % of the FLOPs, "
        "the Gaussian projection of the paper 0.23 for 3.8 %. The published recipe as a whole reaches 0.17 for 11 %.",
        "python -m benchmarks.accuracy",
    ),
    Limit(
        "Gradients alone stop at a third of the ceiling",
        "More base models hardly help: 0.30 with one, 0.35 with 16. On graphs the small models carry the estimate: "
        "alone they reach 0.64 for 3 % of the FLOPs, joined with gradients at the same cost 0.58. Set the number of "
        "base models to 0 to use small models alone.",
        "python -m benchmarks.accuracy",
    ),
    Limit(
        "Cheap trainings leave little to save",
        "Where real training is cheap, the estimate can cost more than it saves. On `sample-yeast` it takes 49 % of "
        "the FLOPs of training all subsets and reaches 0.68 of the ceiling; real training at the same FLOPs reaches "
        "0.64. The accurate preset would take 119 %. The Estimate page shows both costs before a run.",
        "python -m gradtag_core compare sample-yeast",
    ),
    Limit(
        "Grouping pays only where tasks differ",
        "On 30 Debian tags one model for all tasks has an error of 0.1350, random groups 0.1335, and groups by "
        "Grad-TAG 0.1311 at 74 times the FLOPs of one model. On `yeast` one model per task beats every grouping. Look "
        "at the Pareto page before you spend.",
        "python -m gradtag_core show sample-study-debian",
    ),
    Limit(
        "Texts: no better than size, so far",
        "With adapters in the last layer of all-MiniLM-L6-v2 the estimate ranks co-tasks at 0.19 for 2.4 % of the "
        "FLOPs, real training at that cost at 0.04, and the co-tasks' number of examples, which is free, at 0.22.",
        "python -m gradtag_core compare sample-debian-text",
    ),
)


def show_limits() -> None:
    st.header("Limits", anchor="limits")
    st.markdown(
        "Measured on the runs that ship with the project and by its benchmarks, one data set and one small model "
        "each: on yours it can differ. `--truth 100` trains subsets of your own run for real and tells."
    )
    with st.grid(3, min_column_width=360, gap="medium"):
        for limit in LIMITS:
            with st.container():
                st.markdown(f"**{limit.title}.** {limit.text}")
                if limit.table:
                    st.table(limit.table, width="content", alt=limit.title)
                st.markdown(f":small[Measured by] `{limit.command}`")
