"""Runs made by hand, whose numbers can be turned: nothing is trained here."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gradtag_core.runs.record import RunRecord
from tests.report.made_runs import made_record


@pytest.fixture
def make_record(tmp_path: Path) -> Callable[..., RunRecord]:
    """Makes a run in a folder of its own."""
    made = iter(range(1000))
    return lambda **knobs: made_record(tmp_path / f"run-{next(made)}", **knobs)
