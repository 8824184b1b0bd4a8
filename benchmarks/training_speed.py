"""Training and scoring subsets one at a time against many at once, alternating in one process.

`OMP_NUM_THREADS=2 python -m benchmarks.training_speed [--trainings 32] [--rounds 3] [--threads 2] [--json]`.
One at a time is timed at one thread and at `--threads`, and the better one counts. Quote ratios, not seconds;
the CPU ratio, of processor seconds against one at a time at one thread, is disturbed least.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from benchmarks.report import publish
from gradtag_core.config import make_config
from gradtag_core.models.device import limited_threads, resolve_device
from gradtag_core.runs.plan import Plan, make_plan
from gradtag_core.tasks.registry import load_suite
from gradtag_core.training.stacked import score_many
from gradtag_core.training.stacked_blocks import fit_and_score
from gradtag_core.training.trainer import BaseModel, Recipe, Trainer

Scores = list[np.ndarray]


class Race:
    """The same trainings both ways, each with its validation scores."""

    def __init__(self, plan: Plan, n_trainings: int):
        config = plan.config
        self.trainer = Trainer(plan.suite, plan.architecture, resolve_device(config.device))
        self.recipe = Recipe(config.epochs, config.learning_rate, config.batch_size, config.weighting)
        seeds = config.truth_seeds
        self.work = [(plan.subsets[index // 2], seeds[index % 2]) for index in range(n_trainings)]

    def sequentially(self, threads: int) -> tuple[list[BaseModel], Scores]:
        with limited_threads(threads):
            models = [self.trainer.fit(subset, self.recipe, seed) for subset, seed in self.work]
            return models, [
                self.trainer.score(model, subset, "validation")
                for model, (subset, _) in zip(models, self.work, strict=True)
            ]

    def stacked(self, threads: int) -> Scores:
        """In one block for each thread."""
        blocks = [self.work[first::threads] for first in range(threads)]
        with limited_threads(threads):
            scored = {
                index: block
                for report in fit_and_score(self.trainer, blocks, self.recipe, "validation")
                for index, block in report.ended.items()
            }
        return [scored[index % threads][index // threads][0] for index in range(len(self.work))]

    def scores_in_stacks(self, models: list[BaseModel]) -> Scores:
        return score_many(self.trainer, models, [subset for subset, _ in self.work], "validation")


def timed(work: Callable[[], Any]) -> tuple[Any, tuple[float, float]]:
    """The result; wall seconds and processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, (time.perf_counter() - wall, time.process_time() - processor)


def run_round(race: Race, number: int, threads: int) -> dict[str, Any]:
    (models, alone), one_thread = timed(lambda: race.sequentially(1))
    (_, threaded), more_threads = timed(lambda: race.sequentially(threads))
    together, stacked = timed(lambda: race.stacked(threads))
    return {
        "round": number,
        "one at a time, 1 thread, s": one_thread[0],
        f"{threads} threads, s": more_threads[0],
        f"stacked, {threads} threads, s": stacked[0],
        "ratio": min(one_thread[0], more_threads[0]) / stacked[0],
        "CPU ratio": one_thread[1] / stacked[1],
        "largest score difference": largest_difference(alone, together),
        f"of one at a time, 1 and {threads} threads": largest_difference(alone, threaded),
        "of the same models": largest_difference(alone, race.scores_in_stacks(models)),
    }


def largest_difference(some: Scores, others: Scores) -> float:
    return float(np.abs(np.concatenate(some) - np.concatenate(others)).max())


def summary(records: list[dict[str, Any]]) -> dict[str, Any]:
    columns = [name for name in records[0] if name != "round"]
    return {"round": "median", **{name: median(record[name] for record in records) for name in columns}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="debian")
    parser.add_argument("--n-tasks", type=int, default=30)
    parser.add_argument("--subset-size", type=int, default=5)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--trainings", type=int, default=32, help="how many (subset, seed) to train each way")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="what both ways may use")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    config = make_config(
        None, suite=options.suite, n_tasks=options.n_tasks, subset_size=options.subset_size,
        epochs=options.epochs,
    )  # fmt: skip
    race = Race(make_plan(config, load_suite(options.suite, options.n_tasks)), options.trainings)
    race.trainer.fit(race.work[0][0], race.recipe, race.work[0][1])  # the first call pays for imports
    records = [run_round(race, number, options.threads) for number in range(1, options.rounds + 1)]
    publish([*records, summary(records)], options.json)


if __name__ == "__main__":
    main()
