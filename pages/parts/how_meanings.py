"""What each figure on the pages means."""

import streamlit as st

MEANINGS = (
    (
        "Affinity",
        "A score, such as the area under the curve; higher is better. Maps show it relative to the task's own mean, "
        "because tasks differ more in how hard they are than in what co-tasks do to them. Orange: above; blue: below.",
    ),
    (
        "Standard error",
        "How far a cell may be off by chance. A cell within two of its standard errors from zero says little. It does "
        "not hold the bias of the linear approximation.",
    ),
    (
        "Row Spearman",
        "The headline. Take one task, rank its co-tasks by the estimate and by real training, correlate the two "
        "ranks, and average over tasks. 1: the same order; 0: no better than a random order.",
    ),
    (
        "Noise ceiling",
        "Training again with another seed changes the truth. The ceiling is the row Spearman that a perfect estimate "
        "would reach against this truth of $R$ seeds, of which two agree at $r_{12}$: "
        "$\\sqrt{\\rho}$ with $\\rho = R\\,r_{12} / (1 + (R - 1)\\,r_{12})$. "
        "The *fraction of the ceiling* divides by it.",
    ),
    (
        "Reference lines",
        "What costs nothing or the same: a constant predictor, a random order, the similarity of the labels, the "
        "co-task's number of examples, and real training of fewer subsets at the same FLOPs. An estimate below these "
        "is not worth its cost.",
    ),
    (
        "Column Spearman, distance",
        "As the paper has them. Both mostly measure how hard each task is: see the first limit below.",
    ),
    (
        "Density, bound, gap",
        "The affinity inside the groups, the most that any grouping can have, and what is missing, as a share of the "
        "lead over a random grouping.",
    ),
    (
        "FLOPs",
        "Floating-point operations, counted, not timed: base models, gradients, their projection, regressions and "
        "small models. Reading data and starting the process are not in them.",
    ),
    (
        "Error ± on Pareto",
        "1 less the mean test score, and one standard error over training seeds on one split of the data.",
    ),
)


def show_meanings() -> None:
    st.header("What the figures mean", anchor="figures")
    with st.grid(3, min_column_width=360, gap="medium"):
        for name, text in MEANINGS:
            st.markdown(f"**{name}.** {text}")
