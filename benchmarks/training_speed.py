"""Training and scoring subsets one at a time against many at once, alternating in one process.

`OMP_NUM_THREADS=1 python -m benchmarks.training_speed [--trainings 32] [--rounds 5] [--threads 1] [--json]`.
On a shared machine quote the ratios. The CPU ratio is of processor seconds, which other programs disturb less.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from benchmarks.report import publish
from gradtag_core.affinity.subsets import Subset
from gradtag_core.config import make_config
from gradtag_core.models.device import limited_threads, resolve_device
from gradtag_core.runs.plan import Plan, make_plan
from gradtag_core.tasks.registry import load_suite
from gradtag_core.training.stacked import fit_many, score_many
from gradtag_core.training.trainer import BaseModel, Recipe, Trainer

Work = list[tuple[Subset, int]]
Scores = list[np.ndarray]


class Race:
    """The same trainings both ways; each way returns its models and their validation scores."""

    def __init__(self, plan: Plan, work: Work, stack_size: int | None):
        config = plan.config
        self.trainer = Trainer(plan.suite, plan.architecture, resolve_device(config.device))
        self.recipe = Recipe(config.epochs, config.learning_rate, config.batch_size, config.weighting)
        self.work = work
        self.subsets = [subset for subset, _ in work]
        self.stack_size = stack_size

    def fit_sequentially(self) -> list[BaseModel]:
        return [self.trainer.fit(subset, self.recipe, seed) for subset, seed in self.work]

    def fit_stacked(self) -> list[BaseModel]:
        found: dict[int, BaseModel] = {}
        for stack in fit_many(self.trainer, self.work, self.recipe, stack_size=self.stack_size):
            found |= stack
        return [found[position] for position in range(len(self.work))]

    def score_sequentially(self, models: list[BaseModel]) -> Scores:
        return [
            self.trainer.score(model, subset, "validation")
            for model, subset in zip(models, self.subsets, strict=True)
        ]

    def score_stacked(self, models: list[BaseModel]) -> Scores:
        return score_many(self.trainer, models, self.subsets, "validation")


def timed(work: Callable[[], Any]) -> tuple[Any, tuple[float, float]]:
    """The result; wall seconds and processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, (time.perf_counter() - wall, time.process_time() - processor)


def record(name: str, sequential: tuple[float, float], stacked: tuple[float, float]) -> dict[str, Any]:
    return {
        "work": name,
        "sequential s": sequential[0],
        "stacked s": stacked[0],
        "ratio": sequential[0] / stacked[0],
        "CPU ratio": sequential[1] / stacked[1],
    }


def run_round(race: Race, number: int, threads: int) -> list[dict[str, Any]]:
    alone, fit_alone = timed(race.fit_sequentially)
    with limited_threads(threads):
        together, fit_together = timed(race.fit_stacked)
    scores_alone, score_alone = timed(lambda: race.score_sequentially(alone))
    scores_together, score_together = timed(lambda: race.score_stacked(together))
    same_models = race.score_stacked(alone)
    return [
        record(f"train, round {number}", fit_alone, fit_together)
        | {"largest score difference": largest_difference(scores_alone, scores_together)},
        record(f"score, round {number}", score_alone, score_together)
        | {"largest score difference": largest_difference(scores_alone, same_models)},
    ]


def largest_difference(some: Scores, others: Scores) -> float:
    return float(np.abs(np.concatenate(some) - np.concatenate(others)).max())


def summary(records: list[dict[str, Any]], work: str) -> dict[str, Any]:
    own = [each for each in records if each["work"].startswith(work)]
    columns = [name for name in own[0] if name != "work"]
    return {"work": f"{work}, median", **{name: median(each[name] for each in own) for name in columns}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="debian")
    parser.add_argument("--n-tasks", type=int, default=30)
    parser.add_argument("--subset-size", type=int, default=5)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--trainings", type=int, default=32, help="how many (subset, seed) to train each way")
    parser.add_argument("--stack-size", type=int, help="models side by side (left out: the library's choice)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--threads", type=int, default=1, help="stacks that train at once; one at a time uses one thread"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    config = make_config(
        None, suite=options.suite, n_tasks=options.n_tasks, subset_size=options.subset_size,
        epochs=options.epochs,
    )  # fmt: skip
    plan = make_plan(config, load_suite(options.suite, options.n_tasks))
    seeds = config.truth_seeds
    work = [(plan.subsets[index // 2], seeds[index % 2]) for index in range(options.trainings)]
    race = Race(plan, work, options.stack_size)
    records: list[dict[str, Any]] = []
    with limited_threads(1):  # products of this size gain nothing from a second thread
        race.trainer.fit(work[0][0], race.recipe, work[0][1])  # the first call pays for imports
        for number in range(1, options.rounds + 1):
            records += run_round(race, number, options.threads)
    publish([*records, summary(records, "train"), summary(records, "score")], options.json)


if __name__ == "__main__":
    main()
