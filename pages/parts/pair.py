"""Two tasks in detail: what each does for the other, in words, in numbers, and by the subsets behind it."""

import pandas as pd
import streamlit as st

from gradtag_core.affinity.pair_evidence import PairEffect, PairEvidence, pair_effect, pair_evidence
from gradtag_core.figures.pair_subsets import pair_subsets
from gradtag_core.figures.relative import relative_to_task_mean, task_means
from gradtag_core.figures.row_rank import row_rank
from pages.parts.affinity_state import (
    CO_TASK,
    TASK,
    Explored,
    Pair,
    pick_task,
    select_pair,
    select_point,
    tell_address,
)
from pages.parts.affinity_words import pair_sentence
from pages.parts.charts import draw
from pages.parts.quantities import plain
from pages.parts.state import theme
from pages.parts.tables import plain_table

UNKNOWN = "unknown"
SIDES = ("forward", "backward")


def show_pair(explored: Explored, pair: Pair | None) -> None:
    """Both directions of the selected pair: sentences and numbers."""
    names = explored.names
    with st.container(horizontal=True, vertical_alignment="bottom"):
        pick_task(
            "Evaluated task", names, TASK, "Or click a cell of the map, a point or a row of the table below."
        )
        pick_task("Co-task", names, CO_TASK)
        if pair is not None:
            st.button(
                ":material/swap_horiz:", key="swap_pair", help="Swap the two tasks", on_click=select_pair,
                args=(names[pair[1]], names[pair[0]]),
            )  # fmt: skip
    tell_address()
    if pair is None:
        st.caption("Choose two different tasks.")
        return
    columns = {}
    for task, co_task in (pair, pair[::-1]):
        estimate = pair_effect(explored.estimated, task, co_task)
        truth = None if explored.true is None else pair_effect(explored.true, task, co_task)
        st.markdown(pair_sentence(names[task], names[co_task], estimate, truth))
        columns[f"{plain(names[task])} with {plain(names[co_task])}"] = _numbers(
            explored, estimate, truth, task, co_task
        )
    plain_table(pd.DataFrame(columns).rename_axis("Measure"), "pair")


def _numbers(
    explored: Explored, estimate: PairEffect, truth: PairEffect | None, task: int, co_task: int
) -> dict[str, str]:
    lines = {
        "Affinity": _number(estimate.affinity),
        "Against the task's mean": _number(estimate.effect, "+.4f"),
        "Standard error": _number(estimate.standard_error),
        "Rank of the co-task": _rank(estimate),
        "Subsets": f"{estimate.count:,}",
    }
    if truth is not None:
        lines |= {
            "True affinity": _number(truth.affinity),
            "True, against the task's mean": _number(truth.effect, "+.4f"),
            "True, standard error": _number(truth.standard_error),
            "True rank": _rank(truth),
            "Really trained subsets": f"{truth.count:,}",
        }
    if explored.comparison is not None:
        both = explored.comparison.estimated.values, explored.comparison.trained.values
        difference = relative_to_task_mean(both[0] - both[1])[task, co_task]
        lines["Estimate minus truth, against the mean"] = _number(float(difference), "+.4f")
    return lines


def _number(value: float, form: str = ".4f") -> str:
    return format(value, form) if value == value else UNKNOWN


def _rank(effect: PairEffect) -> str:
    return UNKNOWN if effect.rank is None else f"{effect.rank} of {effect.n_ranked}"


def show_evidence(explored: Explored, pair: Pair) -> None:
    """Where each direction stands in its row, and the subsets behind it, side by side."""
    directions: tuple[Pair, Pair] = (pair, (pair[1], pair[0]))
    for side, column, direction in zip(SIDES, st.columns(2, gap="medium"), directions, strict=True):
        with column:
            _show_direction(explored, direction, side)
    table = st.expander("Every subset behind this pair", on_change="rerun", key="subsets_open")
    if table.open:
        with table:
            for column, direction in zip(st.columns(2, gap="medium"), directions, strict=True):
                frame = _subset_table(explored, _evidence(explored, direction), direction)
                number = st.column_config.NumberColumn(format="%.4f")
                column.caption(f"Scores of {plain(explored.names[direction[0]])}")
                column.dataframe(
                    frame, hide_index=True, width="stretch", height=320,
                    column_config=dict.fromkeys(("Estimated", "Really trained"), number),
                )  # fmt: skip


def _show_direction(explored: Explored, pair: Pair, side: str) -> None:
    names, (task, co_task) = explored.names, pair
    first, second = names[task], names[co_task]
    st.markdown(f"**{plain(first)} with {plain(second)}**")
    true = None if explored.true is None else explored.true.values
    effect = pair_effect(explored.estimated, task, co_task)

    def ranks() -> pd.DataFrame:
        others = [other for other in range(len(names)) if other != task]
        effects = [pair_effect(explored.estimated, task, other) for other in others]
        frame = pd.DataFrame(
            {"co_task": [names[other] for other in others], "rank": [each.rank for each in effects],
             "against_mean": [each.effect for each in effects]}
        )  # fmt: skip
        return frame.sort_values("rank", ignore_index=True)

    draw(
        row_rank(explored.estimated.values, names, pair, truth=true, theme=theme()),
        key=f"rank_{side}", on_click=lambda chart: select_point(chart, names), table=ranks,
        alt=f"All co-tasks of {first} from the best to the worst; {second} is {_rank(effect)}.",
        caption="Co-tasks from the best to the worst; click a bar to select it."
        + (" Rings: in truth." if true is not None else ""),
    )  # fmt: skip
    evidence = _evidence(explored, pair)
    baseline = float(task_means(explored.estimated.values)[task])
    true_baseline = baseline if true is None else float(task_means(true)[task])
    draw(
        pair_subsets(evidence, second, baselines=(baseline, true_baseline), theme=theme()),
        key=f"subsets_{side}", table=lambda: _subset_table(explored, evidence, pair),
        alt=f"The score of {first} in each subset with {second} beside those without it.",
        caption=f"Each point is a subset with {plain(first)}. The line of the strips with {plain(second)} is "
        "the affinity, their mean.",
    )  # fmt: skip


def _evidence(explored: Explored, pair: Pair) -> PairEvidence:
    estimated = explored.record.estimated
    assert estimated is not None  # pick_run ends a page without an estimate
    return pair_evidence(estimated, explored.record.trained, *pair, explored.estimated.metric)


def _subset_table(explored: Explored, evidence: PairEvidence, pair: Pair) -> pd.DataFrame:
    names, (task, co_task) = explored.names, pair
    frame = pd.DataFrame(
        {
            f"With {names[co_task]}": evidence.with_co_task,
            "Estimated": evidence.estimated,
            "Really trained": evidence.trained,
            "Co-tasks": [", ".join(names[other] for other in subset if other != task) for subset in evidence.subsets],
        }
    )  # fmt: skip
    by = [frame.columns[0], "Estimated"]
    frame = frame.sort_values(by, ascending=False, ignore_index=True)
    return frame if explored.true is not None else frame.drop(columns="Really trained")
