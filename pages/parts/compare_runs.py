"""The runs of the Compare page as the core compares them, computed once per content of their folders."""

from dataclasses import dataclass

import streamlit as st

from gradtag_core.config import Metric
from gradtag_core.errors import StoreError
from gradtag_core.evaluation.run_comparison import ComparedRun, RunDifference, compare_runs
from gradtag_core.runs.compared_run import compared_run
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.row import RunRow
from pages.parts.results import affinity_of, comparison_of, record_of

LETTERS = "ABCDEF"


@dataclass(frozen=True)
class Shown:
    """A run of the comparison with its letter, which tells runs of one name apart; A is the reference."""

    letter: str
    row: RunRow
    run: ComparedRun

    @property
    def title(self) -> str:
        return titles_of([self.row], self.letter)[0]


def titles_of(rows: list[RunRow], letters: str = LETTERS) -> list[str]:
    """What the runs are called here, by their letters."""
    return [f"{letter}: {row.name}" for letter, row in zip(letters, rows, strict=False)]


def record_with_estimate(row: RunRow) -> RunRecord:
    """The record of a run; an error for one that has no estimate."""
    record = record_of(row)
    if record is None or record.estimated is None:
        raise StoreError(
            f"The run `{row.name}` has no estimate yet, so it cannot be compared: wait for it, resume it, or choose "
            "another one."
        )
    return record


def compared(rows: list[RunRow], metric: Metric) -> list[Shown]:
    """The chosen runs in one metric, the reference first."""
    return [
        Shown(
            letter, row,
            compared_run(record_with_estimate(row), row.name, affinity_of(row, metric), comparison_of(row, metric)),
        )
        for letter, row in zip(LETTERS, rows, strict=False)
    ]  # fmt: skip


def difference_of(reference: Shown, other: Shown) -> RunDifference:
    """What changes from one run to the other; affinities are objects shared by all sessions, and so tell contents."""
    key = tuple((id(each.run.affinity), each.row.id, each.run.affinity.metric) for each in (reference, other))
    return _difference(key, reference.run, other.run)[0]


@st.cache_resource(max_entries=64, show_spinner=False)
def _difference(
    key: tuple[tuple[int, str, str], ...], _reference: ComparedRun, _other: ComparedRun
) -> tuple[RunDifference, ComparedRun, ComparedRun]:
    """The runs are kept too: an id is that of one object only as long as the object lives."""
    return compare_runs(_reference, _other), _reference, _other
