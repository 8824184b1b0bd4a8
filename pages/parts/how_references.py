"""The symbols, and where the methods come from."""

import streamlit as st

SYMBOLS = (
    ("n", "tasks"),
    ("M", "base models, each from its own seed; 0: small models alone"),
    ("d", "numbers kept of a gradient"),
    ("m", "subsets of tasks that are scored"),
    ("α", "tasks in a subset"),
    ("k", "groups"),
    ("λ", "threshold that makes groups of the relaxation, as in the paper"),
    ("θ*", "parameters of a base model"),
    ("f(S, i)", "validation score of task i after training on the tasks of S"),
    ("T[i, j]", "affinity: what co-task j does for the evaluated task i"),
    ("R, r₁₂", "seeds of the truth, and the row Spearman between two of them"),
)
# (what it is here, authors and year, title, address)
REFERENCES = (
    (
        "Grad-TAG", "Li, Sharma and Zhang, KDD 2024",
        "Scalable Multitask Learning Using Gradient-based Estimation of Task Affinity", "arxiv.org/abs/2409.06091",
    ),
    (
        "BoostMTL", "Li, Ju, Sharma and Zhang, KDD 2023",
        "Boosting Multitask Learning on Graphs through Higher-Order Task Affinities", "arxiv.org/abs/2306.14009",
    ),
    (
        "Additive model", "Li, Nguyen and Zhang, TMLR 2023",
        "Identification of Negative Transfers in Multitask Learning Using Surrogate Models", "arxiv.org/abs/2303.14582",
    ),
    (
        "TAG", "Fifty et al., NeurIPS 2021",
        "Efficiently Identifying Task Groupings for Multi-Task Learning", "arxiv.org/abs/2109.04617",
    ),
    (
        "HOA", "Standley et al., ICML 2020",
        "Which Tasks Should Be Learned Together in Multi-task Learning?", "arxiv.org/abs/1905.07553",
    ),
    (
        "Auto-λ", "Liu et al., TMLR 2022",
        "Auto-Lambda: Disentangling Dynamic Task Relationships", "arxiv.org/abs/2202.03091",
    ),
    ("PCGrad", "Yu et al., NeurIPS 2020", "Gradient Surgery for Multi-Task Learning", "arxiv.org/abs/2001.06782"),
    (
        "MMoE", "Ma et al., KDD 2018",
        "Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts",
        "doi.org/10.1145/3219819.3220007",
    ),
    (
        "Principled Task Grouping", "Wang, Pan and Yu, 2024",
        "Towards Principled Task Grouping for Multi-Task Learning", "arxiv.org/abs/2402.15328",
    ),
    ("ETAP", "ICLR 2026", "Ensemble Task Affinity Predictor", "arxiv.org/abs/2602.18591"),
    (
        "Relaxation of the grouping", "Peng and Wei, SIAM Journal on Optimization 2007",
        "Approximating K-means-type Clustering via Semidefinite Programming", "doi.org/10.1137/050641983",
    ),
)  # fmt: skip


def show_references() -> None:
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.header("Symbols", anchor="symbols")
        st.table([{"Symbol": symbol, "Meaning": meaning} for symbol, meaning in SYMBOLS])
    with right:
        st.header("References", anchor="references")
        st.markdown(
            "\n".join(
                f"- **{name}.** {authors}: *{title}*. [{address.removeprefix('arxiv.org/abs/')}](https://{address})"
                for name, authors, title, address in REFERENCES
            )
        )
