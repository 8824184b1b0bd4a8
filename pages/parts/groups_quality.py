"""How good a grouping is: figures, a sentence, and the table of its groups."""

import numpy as np
import pandas as pd
import streamlit as st

from gradtag_core.grouping.consensus import group_consensus, item_consensus
from gradtag_core.grouping.density import group_densities
from gradtag_core.grouping.result import Grouping, Status
from gradtag_core.grouping.stability import Stability
from pages.parts.groups_downloads import grouping_buttons
from pages.parts.groups_variants import marked_chips
from pages.parts.quantities import task_chips
from pages.parts.solver import Matrix
from pages.parts.tables import plain_table

SHAKY = 0.5  # consensus below which a task is marked
STATUS_WORDS: dict[Status, str] = {
    "optimal": "Proven optimal: no other grouping into as many groups is denser.",
    "solved": "The relaxation is solved; whether these groups are the best is not proven.",
    "solved_inaccurate": "The solver stopped early; the bound still holds.",
    "failed": "The solver gave no solution; the groups come from a simpler relaxation. The bound still holds.",
    "heuristic": "Found by a search that proves nothing itself; the bound holds for it all the same.",
    "count_missed": "The threshold forms another number of groups than asked; the spectral rounding never does.",
}


def show_quality(grouping: Grouping, constrained: bool) -> None:
    """Density, bound and chance, and what they mean in words; `constrained` groups compete with such only."""
    figures = (
        ("Density", grouping.density, "Per group, the sum of the affinities inside it over its size; summed over "
         "groups (paper, section 4)."),
        ("Upper bound", grouping.upper_bound, "No grouping into as many groups has a larger density: proven by "
         "duality."),
        ("Random grouping", grouping.random_density, "The mean density of a random grouping into as many groups."),
    )  # fmt: skip
    with st.container(horizontal=True, gap="medium"):
        for label, value, meaning in figures:
            st.metric(label, f"{value:#.5g}", width="content", help=meaning)
    words, status = quality_words(grouping), STATUS_WORDS[grouping.status]
    if constrained and grouping.method == "milp":
        words = quality_words(grouping, "any grouping into as many groups that meets the constraints")
        status = STATUS_WORDS[grouping.status].replace(
            "as many groups is", "as many groups that meets them is"
        )
    elif constrained:
        status += (
            " It knows nothing of the constraints: the best groups that meet them may be nearer than it says."
        )
    st.markdown(f"{words} {status}")


def quality_words(grouping: Grouping, rivals: str = "any grouping into as many groups") -> str:
    """The gap in a sentence; `rivals` are the groupings that the bound is for."""
    groups = f"{grouping.n_groups} group" + "s" * (grouping.n_groups > 1)
    if grouping.threshold is not None:
        groups += f" by a threshold of {grouping.threshold:.3g}"
    if grouping.n_groups in (1, len(grouping.labels)):
        return f"{groups}: there is only one such grouping."
    return (
        f"{groups}, with at least **{100 * (1 - grouping.gap):.1f} %** of the largest lead "
        f"over a random grouping that {rivals} can have."
    )


def show_table(matrix: Matrix, grouping: Grouping, stability: Stability | None) -> None:
    """The groups with their tasks, densities and, where it is known, stability; and their downloads."""
    columns: dict[str, list[str]] = {
        "Group": [str(number) for number in range(1, grouping.n_groups + 1)],
        "Tasks": [task_chips(names) for names in grouping.groups],
        "Size": [str(len(names)) for names in grouping.groups],
        "Density": [f"{density:.3f}" for density in group_densities(matrix.values, grouping.labels)],
    }
    items = None
    if stability is not None:
        items = item_consensus(stability.consensus, grouping.labels)
        groups = group_consensus(stability.consensus, grouping.labels)
        columns["Stability"] = [share_text(share) for share in groups]
        shaky = {name for name, share in zip(grouping.task_names, items, strict=True) if share < SHAKY}
        columns["Tasks"] = [marked_chips(names, shaky) for names in grouping.groups]
    plain_table(pd.DataFrame(columns).set_index("Group"), "groups")
    if stability is not None:
        st.caption(
            f"Stability: how often two tasks of the group meet again, on average, when the affinities are drawn anew "
            f"({stability.n_resamples} times: from resampled subsets and initialisations, or within the standard "
            f"errors of a run that trained small models); the panel “Tasks” has it by task. Tasks in orange meet "
            f"theirs less than half of the time. Agreement of all groups: {stability.agreement:.2f} ± "
            f"{stability.standard_error:.2f} (adjusted Rand index; 1 is the same groups, 0 chance)."
        )
    grouping_buttons(grouping, "groups", items)


def share_text(share: float) -> str:
    return "–" if np.isnan(share) else f"{share:.0%}"
