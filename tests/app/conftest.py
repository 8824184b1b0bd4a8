"""The app without a browser, over stores filled by hand: nothing is trained here."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from gradtag_core.affinity.scores import Source, SubsetScores
from gradtag_core.affinity.subsets import Subset, pairwise_subsets, random_subsets
from gradtag_core.config import METRICS, make_config
from gradtag_core.cost import Cost
from gradtag_core.grouping.result import Grouping
from gradtag_core.runs import start
from gradtag_core.runs.command import call_in_code, command_line
from gradtag_core.runs.record import GroupScores, RunRecord, Summary
from gradtag_core.runs.row import RunRow, RunState
from gradtag_core.runs.stages import STAGES
from gradtag_core.runs.store import RunStore
from pages.parts.groups_jobs import Job, Jobs
from pages.parts.when_seen import AT_ONCE

APP = Path(__file__).parents[2] / "app.py"
PATIENCE = 100  # seconds for a run of the script: a busy machine is no failure
NAMES = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot")
LABELS = np.array([0, 0, 0, 1, 1, 1])


@pytest.fixture
def store(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """The empty store that the app opens; the runs that ship with the project are left out."""
    monkeypatch.setattr(start, "SAMPLE_FOLDERS", ())
    return RunStore(own_home)


@pytest.fixture(autouse=True)
def _draw_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a browser nothing comes into view."""
    monkeypatch.setenv(AT_ONCE, "1")


@pytest.fixture(autouse=True)
def _own_main() -> Iterator[None]:
    """The test of an app leaves its script as the main module, which processes that are started later would run."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture
def app(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The app, not run yet; its solver is not warmed up behind a test's back."""
    monkeypatch.setattr("pages.parts.solver.warm_up", lambda: None)
    return AppTest.from_file(APP, default_timeout=PATIENCE)


@pytest.fixture
def open_page(app: AppTest) -> Callable[[str], AppTest]:
    """Runs the app and goes to a page, which may not end in an exception."""

    def opened(page: str) -> AppTest:
        app.run().switch_page(f"pages/{page}.py").run()
        assert not app.exception, [found.message for found in app.exception]
        return app

    return opened


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """What is asked for ahead, which no thread works on behind a test's back."""
    jobs: list[Job] = []
    monkeypatch.setattr(Jobs, "ahead", lambda self, more, owner=None: jobs.extend(more))
    monkeypatch.setattr(Jobs, "expected", lambda self, key: True)
    return jobs


@pytest.fixture
def make_run(store: RunStore) -> Callable[..., RunRow]:
    """Makes a run whose tasks help each other within the groups of LABELS, in every metric."""

    def made(
        *, truth: bool = False, groups: bool = True, state: RunState = "done", in_code: bool = False
    ) -> RunRow:
        config = make_config(
            "quick", suite="yeast", n_tasks=len(NAMES), truth=15 if truth else 0, metric="average_precision"
        )
        command = call_in_code(config, "mine") if in_code else command_line(config)
        row = store.create(config.model_dump(), "a run", "yeast", command)
        if state != "queued":
            store.mark_running(row.id, os.getpid())
        if state in ("queued", "running"):
            return store.get(row.id)
        _write(RunRecord(store.run_folder(row.id)), row, truth, groups)
        return store.finish(row.id, state, "The data ran out." if state == "failed" else None, 3.0)

    return made


def _write(record: RunRecord, row: RunRow, truth: bool, groups: bool) -> None:
    costs = {stage: Cost(1e10, 1.0, 1) for stage in STAGES}
    record.write_summary(
        Summary(
            row.id, row.name, row.suite, row.command, row.created, row.config, NAMES, "0" * 32, {}, "cpu",
            1e12, 3.0, costs=costs, captured_energy=0.8,
        )
    )  # fmt: skip
    n_tasks = len(NAMES)
    half = np.full((n_tasks, len(METRICS)), 0.5)
    fours = random_subsets(n_tasks, 4, 15, seed=0)
    record.write_scores(_scores([*pairwise_subsets(n_tasks), *fours], (0, 1), "estimated"))
    record.write_arrays(base_scores=half, label_similarity=np.eye(n_tasks), train_sizes=np.full(n_tasks, 10))
    record.write_grouping(Grouping(LABELS, NAMES, 1.9, 2.0, 1.0, "solved", "SCS", "spectral", None, 2, 0.1))
    if groups:
        record.write_group_scores(GroupScores(half + 0.1, half, Cost(1e10, 1.0, 1)))
    if truth:
        record.write_scores(_scores(fours, (10, 11), "trained"))


def _scores(subsets: list[Subset], seeds: tuple[int, int], source: Source) -> SubsetScores:
    """Scores that rise with every co-task of the task's own group."""
    generator = np.random.default_rng(seeds[0])
    helpers = [(LABELS[list(subset)] == LABELS[task]).sum() for subset in subsets for task in subset]
    clean = 0.5 + 0.1 * np.array(helpers)[:, None]
    first, second = (
        SubsetScores.of_seed(
            NAMES, subsets, clean + 0.02 * generator.normal(size=(len(clean), len(METRICS))), seed, source,
            Cost(1e10, 1.0, 1),
        )
        for seed in seeds
    )  # fmt: skip
    return first.join(second)
