"""Where two runs disagree on who helps whom: maps in one order, and one run against the other."""

from typing import Literal, get_args

import numpy as np
import pandas as pd
import streamlit as st

from gradtag_core.evaluation.affinity_difference import CHANCE, AffinityDifference
from gradtag_core.evaluation.run_comparison import RunDifference, with_error
from gradtag_core.figures.heatmap import affinity_heatmap, symmetric_range
from gradtag_core.figures.order import ORDER_TITLES, Order, task_order
from gradtag_core.figures.run_difference import difference_scatter
from pages.parts.charts import draw
from pages.parts.compare_runs import Shown
from pages.parts.quantities import plain
from pages.parts.state import theme

MOST_LISTED = 100
ORDERS: tuple[Order, ...] = ("group", "similarity", "name")
Beside = Literal["reference", "other", "errors"]
BESIDE = {"reference": "A", "other": "{letter}", "errors": "difference in standard errors"}
VERDICTS = {
    True: "That is more than chance.",
    False: "That is no more than chance: the affinities agree within their errors.",
    None: "With so few tasks, whether that is more than chance cannot be told.",
}
INDEPENDENT = (
    "Standard errors take the two runs as independent. Runs that share a seed share subsets and base models, and "
    "differ by less than their errors say."
)


def show_difference(found: RunDifference, other: Shown) -> None:
    """The difference of the affinities in the reference's order, and a map beside it."""
    difference = found.affinity
    with st.container(horizontal=True, vertical_alignment="bottom"):
        order_by = st.selectbox(
            "Order of all maps", ORDERS, format_func=ORDER_TITLES.__getitem__, key="order", bind="query-params",
            width=240, help="By the groups, the similarities or the names in the reference.",
        )  # fmt: skip
        beside = st.segmented_control(
            "Beside the difference", get_args(Beside), default="reference", required=True, key="map_beside",
            format_func=lambda name: BESIDE[name].format(letter=other.letter), bind="query-params",
        )  # fmt: skip
    labels = found.groups.reference if found.groups else None
    order = task_order(order_by or "group", difference.reference, difference.task_names, labels)
    left, right = st.columns(2, gap="medium")
    with left:
        _show_difference_map(difference, other.letter, order, labels)
    with right:
        _show_map_beside(difference, beside or "reference", other.letter, order, labels)


def show_pairs(difference: AffinityDifference, reference: Shown, other: Shown) -> None:
    """The agreement pair by pair, and the pairs that differ most."""
    left, right = st.columns(2, gap="medium")
    with left:
        _show_scatter(difference, reference, other)
    with right:
        _show_most_different(difference, other.letter)


def show_words(difference: AffinityDifference, letter: str) -> None:
    only = [
        f"{len(names)} only in {run}: {_names(names)}"
        for names, run in ((difference.only_in_reference, "A"), (difference.only_in_other, letter))
        if names
    ]
    words = [f"Compared are {len(difference.task_names)} tasks, matched by name{' (' if only else ''}"]
    words[0] += ("; ".join(only) + ")" if only else "") + "."
    if difference.row_spearman is not None:
        agreement = with_error(difference.row_spearman, difference.row_spearman_standard_error, "{:.2f}")
        words.append(f"They rank the co-tasks of a task with a Spearman correlation of **{agreement}**.")
    if difference.share_clear is not None:
        share = with_error(difference.share_clear, difference.share_clear_standard_error, "{:.1%}")
        words.append(
            f"**{difference.n_clear:,} of {difference.n_judged:,}** cells differ by more than two standard errors, "
            f"{share} of a task's cells, where noise alone gives {CHANCE:.1%}. {VERDICTS[difference.more_than_chance]}"
        )
    st.markdown(" ".join(words))


def _names(names: tuple[str, ...], limit: int = 5) -> str:
    shown = ", ".join(plain(name) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def _show_difference_map(
    difference: AffinityDifference, letter: str, order: np.ndarray, labels: np.ndarray | None
) -> None:
    figure = affinity_heatmap(
        difference.values, difference.task_names, title=f"{letter} less A", scale="signed", order=order,
        group_labels=labels, standard_errors=difference.standard_errors,
        also={"A": difference.reference, letter: difference.other}, theme=theme(),
    )  # fmt: skip
    draw(
        figure, key="difference_map", table=lambda: cell_table(difference, letter),
        alt=f"Map of the affinities of {letter} less those of A for {len(difference.task_names)} tasks.",
        caption=f"Row = evaluated task, column = co-task, each run relative to the task's mean. Orange: {letter} "
        f"thinks more of the co-task than A; blue: less. {INDEPENDENT}",
    )  # fmt: skip


def _show_map_beside(
    difference: AffinityDifference, beside: Beside, letter: str, order: np.ndarray, labels: np.ndarray | None
) -> None:
    values = {
        "reference": difference.reference, "other": difference.other, "errors": difference.in_standard_errors,
    }[beside]  # fmt: skip
    titles = {"reference": "A", "other": letter, "errors": f"{letter} less A, in standard errors"}
    shared = symmetric_range(difference.reference, difference.other)
    figure = affinity_heatmap(
        values, difference.task_names, title=titles[beside], scale="signed" if beside == "errors" else "relative",
        order=order, group_labels=labels, colour_range=None if beside == "errors" else shared, theme=theme(),
    )  # fmt: skip
    captions = {
        "errors": "Between -2 and 2 a difference may well be noise.",
        "reference": "Affinities of A relative to each task's mean, in the colours of both runs.",
        "other": f"Affinities of {letter} relative to each task's mean, in the colours of both runs.",
    }
    draw(
        figure, key=f"map_{beside}", alt=f"Map: {titles[beside]}, {len(difference.task_names)} tasks.",
        caption=captions[beside],
        table=lambda: pd.DataFrame(values, index=difference.task_names, columns=difference.task_names),
    )  # fmt: skip


def _show_scatter(difference: AffinityDifference, reference: Shown, other: Shown) -> None:
    draw(
        difference_scatter(difference, reference.title, other.title, theme=theme()), key="agreement",
        alt=f"Affinity of each pair of tasks in {other.letter} against that in A.",
        caption="Pairs of tasks by their affinity in both runs; where the runs agree, they lie on the dotted line.",
        table=lambda: cell_table(difference, other.letter),
    )  # fmt: skip


def _show_most_different(difference: AffinityDifference, letter: str) -> None:
    table = cell_table(difference, letter)
    size = (table["Difference"] / table["Standard error"]).abs()
    table = table.assign(**{"In standard errors": size}).sort_values(
        ["In standard errors", "Difference"], ascending=False, na_position="last", kind="stable"
    )
    st.markdown("**Pairs that differ most**")
    number = st.column_config.NumberColumn
    st.dataframe(
        table.drop(columns="Standard error").head(MOST_LISTED), hide_index=True, width="stretch", height=400,
        alt=f"The {MOST_LISTED} pairs of tasks that differ by most standard errors.",
        column_config={
            **{name: number(format="%+.4f") for name in ("A", letter, "Difference")},
            "In standard errors": number("in s.e.", format="%.1f", help="The difference in standard errors."),
        },
    )  # fmt: skip


def cell_table(difference: AffinityDifference, letter: str) -> pd.DataFrame:
    """A row per pair of tasks that both runs know."""
    rows, columns = np.nonzero(np.isfinite(difference.values))
    names = np.array(difference.task_names, dtype=object)
    return pd.DataFrame(
        {
            "Evaluated task": names[rows], "Co-task": names[columns], "A": difference.reference[rows, columns],
            letter: difference.other[rows, columns], "Difference": difference.values[rows, columns],
            "Standard error": difference.standard_errors[rows, columns],
        }
    )  # fmt: skip
