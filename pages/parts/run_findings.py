"""What the list of runs says of each run's results, read once per run: a list of hundreds must open at once."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import streamlit as st

from gradtag_core.errors import GradTagError
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.row import OPEN, RunRow
from pages.parts.state import store

BUDGET = 0.5  # seconds per drawing of the list, for runs whose files do not hold their figures ready

Key = tuple[str, str, float | None]


@dataclass(frozen=True)
class Findings:
    """Figures of one run, None where it has none; `later`: they are known but take long to compute."""

    n_subsets: int | None = None
    n_groups: int | None = None
    row_spearman: float | None = None
    is_damaged: bool = False
    later: bool = False


NOTHING = Findings()


@st.cache_resource(show_spinner=False)
def _known() -> dict[Key, Findings]:
    return {}


def findings_of(rows: list[RunRow], budget: float | None = None) -> Iterator[Findings]:
    """The findings of each row; what must be computed anew is put off once the budget (None: `BUDGET`) is spent."""
    home, known = str(store().home), _known()
    deadline = time.monotonic() + (BUDGET if budget is None else budget)
    for row in rows:
        if row.kind != "run" or row.state in OPEN:
            yield NOTHING
            continue
        key = (home, row.id, row.finished)
        if key not in known:
            found = _read(row, time.monotonic() < deadline)
            if found.is_damaged or found.later:
                yield found
                continue
            known[key] = found
        yield known[key]


def _read(row: RunRow, may_compute: bool) -> Findings:
    try:
        record = RunRecord(store().run_folder(row.id))
        if not record.has_summary:
            return NOTHING
        summary = record.summary
        n_groups = record.grouping.n_groups if record.grouping else None
        if summary.n_subsets is not None:
            return Findings(summary.n_subsets, n_groups, summary.row_spearman)
        if not may_compute:
            return Findings(n_groups=n_groups, later=True)
        comparison = record.comparison()
        return Findings(
            len(record.estimated.subsets) if record.estimated else None, n_groups,
            comparison.estimate.agreement.row_spearman if comparison else None,
        )  # fmt: skip
    except GradTagError:
        return Findings(is_damaged=True)  # opening the run shows the sentence
