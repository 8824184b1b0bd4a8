"""Runs and a study of many tasks to measure the app on: `python -m benchmarks.large_runs --home DIR`.

About three minutes on two cores; a call on a folder that has them prints their ids at once.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gradtag_core.config import make_config
from gradtag_core.runs.row import RunRow
from gradtag_core.runs.start import create_run, create_study, execute, open_store, run
from gradtag_core.runs.store import RunStore
from gradtag_core.study_config import make_study_config
from gradtag_core.tasks.planted import planted_suite

NAMES = {
    "run": "Measuring: 100 tasks",
    "other": "Measuring: 100 tasks, another seed",
    "study": "Measuring: a study of 100 tasks",
    "huge": "Measuring: 500 tasks",
}
LABELLED, SUBSETS, SUBSET_SIZE = 40, 8000, 20  # of the 500 planted tasks


@dataclass(frozen=True)
class LargeRuns:
    """Ids: two runs of 100 Debian tags, the first with truth, a study of them, and a run of 500 planted tasks."""

    run: str
    other: str
    study: str
    huge: str


def large_runs(home: Path | None = None) -> LargeRuns:
    """Those in the store under `home`; what is missing is computed there."""
    store = open_store(home)
    made = {row.name: row.id for row in store.list() if row.state == "done"}
    makers: dict[str, Callable[[RunStore], str]] = {
        "run": _run,
        "other": _other,
        "study": _study,
        "huge": _huge,
    }
    return LargeRuns(**{key: made.get(NAMES[key]) or maker(store) for key, maker in makers.items()})


def _run(store: RunStore) -> str:
    config = make_config("quick", suite="debian", n_tasks=100, truth=200)
    return _finished(store, create_run(store, config, NAMES["run"]))


def _other(store: RunStore) -> str:
    config = make_config("quick", suite="debian", n_tasks=100, seed=1, train_groups=False)
    return _finished(store, create_run(store, config, NAMES["other"]))


def _study(store: RunStore) -> str:
    config = make_study_config(suite="debian", n_tasks=100, seeds=1, methods=("louvain",))
    return _finished(store, create_study(store, config, NAMES["study"]))


def _huge(store: RunStore) -> str:
    suite = planted_suite(500, 50, n_labelled=LABELLED).suite
    options: dict[str, Any] = {"n_subsets": SUBSETS, "subset_size": SUBSET_SIZE, "proxies_per_task": 0}
    record = run(make_config("quick", **options), store, suite=replace(suite, name="planted-500"))
    return store.rename(record.folder.name, NAMES["huge"]).id


def _finished(store: RunStore, row: RunRow) -> str:
    row = execute(store, row.id)
    if row.state != "done":
        raise RuntimeError(f"The run `{row.id}` is {row.state}: {row.error}")
    return row.id


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="the folder of the store; the user's own without it")
    arguments = parser.parse_args()
    print(json.dumps(vars(large_runs(arguments.home)), indent=2))


if __name__ == "__main__":
    main()
