"""A small run that has every kind of unit, and what must be the same wherever they were made."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gradtag_core.config import RunConfig, make_config
from gradtag_core.runs.engine.engine import Engine
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.start import create_run, execute
from gradtag_core.runs.store import RunStore

SMALL = {
    "suite": "digits", "model": "mlp", "n_tasks": 5, "width": 8, "epochs": 2, "base_epochs": 2, "n_inits": 2,
    "proj_dim": 8, "subset_size": 2, "n_subsets": 10, "n_groups": 2, "proxies_per_task": 2, "truth": 8,
}  # fmt: skip
N_UNITS = (
    2 + 2 + 2 + 10 + 3 + 8 * 2
)  # base models, features, estimates, small models, groups, subsets on two seeds


class Runner:
    """Carries out the small run in a new store, and compares with what this process gives."""

    n_units = N_UNITS

    def __init__(self, folder: Path):
        self._folder = folder
        self._n_stores = 0
        self.config: RunConfig = make_config(None, **SMALL)
        self.expected = self.run(None)[0]

    def store(self) -> RunStore:
        self._n_stores += 1
        self.newest = RunStore(self._folder / str(self._n_stores))
        return self.newest

    def run(self, engine: Engine | None, on_progress: Callable | None = None) -> tuple[RunRecord, RunStore]:
        store = self.store()
        row = execute(store, create_run(store, self.config).id, on_progress, engine=engine)
        assert (row.state, row.error) == ("done", None)
        return RunRecord(store.run_folder(row.id)), store

    def assert_same(self, record: RunRecord) -> None:
        """Bit for bit."""
        for name in ("estimated", "gradients", "proxies", "trained"):
            one, other = getattr(record, name), getattr(self.expected, name)
            np.testing.assert_array_equal(one.values, other.values, err_msg=name)
        affinity, expected = record.affinity(), self.expected.affinity()
        assert affinity is not None and expected is not None
        np.testing.assert_array_equal(affinity.values, expected.values)
        own, known = (
            (each.grouping.groups, each.group_scores.grouped.tolist())
            for each in (record, self.expected)
            if each.grouping and each.group_scores
        )
        assert own == known
        costs, flops = record.summary.costs, self.expected.summary.costs
        assert {stage: cost.flops for stage, cost in costs.items()} == {
            stage: cost.flops for stage, cost in flops.items()
        }


@pytest.fixture(scope="session")
def runner(tmp_path_factory) -> Runner:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("GRADTAG_WORKERS", "GRADTAG_SCHEDULER"):
            patch.delenv(name, raising=False)
        return Runner(tmp_path_factory.mktemp("stores"))


@pytest.fixture(scope="session")
def wait_until() -> Callable[[Callable[[], object], float], None]:
    def wait(is_so: Callable[[], object], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < deadline, "it did not come to be in time"
            time.sleep(0.02)

    return wait
