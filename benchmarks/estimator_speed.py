"""The estimator against the published procedure, on the same work, alternating in one process.

`python -m benchmarks.estimator_speed [--rows 512] [--subsets 8] [--device cuda] [--threads 2] [--full] [--json]`.
The published procedure is timed on a sample of `--rows` training rows and `--subsets` subsets and scaled linearly to
all of them; ours does everything. `--full` times the default recipe with M = 5 instead, and how its cost grows.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import log
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.published_procedure import PublishedProcedure
from benchmarks.report import machine, publish
from gradtag_core.affinity.estimate import EstimationSettings, estimate_scores
from gradtag_core.config import make_config
from gradtag_core.cost import peak_resident_bytes
from gradtag_core.gradients.features import Featurizer, GradientFeatures
from gradtag_core.gradients.projection import make_projection
from gradtag_core.models.device import limited_threads, resolve_device
from gradtag_core.runs.plan import Plan, make_plan
from gradtag_core.runs.start import run
from gradtag_core.runs.store import RunStore
from gradtag_core.tasks.registry import load_suite
from gradtag_core.tasks.suite import Rows
from gradtag_core.training.trainer import BaseModel, Recipe, Trainer

SEED = 0
PASS_ROWS = 512  # of a batch of the plain forward and backward pass
PRODUCT_SIZE = {"cpu": 2048, "cuda": 8192}  # of the matrix product whose rate counts as the device's best
GROWTH = 8
OUR_STAGES = ("fit of the projection", "gradients, train", "gradients, validation", "regression and scoring")
PUBLISHED_STAGES = ("published gradients", "published regression and scoring")


@dataclass
class Stopwatch:
    """Seconds of each stage, all rounds: of the clock, or of this process's processors, which other programs disturb
    less (with one thread; threads that wait for each other may burn them). On CUDA the clock waits for the device."""

    device: torch.device
    clock: Callable[[], float] = time.perf_counter
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def time(self, stage: str, work: Callable[[], Any], scale: float = 1.0) -> Any:
        """Do the work; what it took counts `scale` times."""
        self._wait()
        started = self.clock()
        result = work()
        self._wait()
        self.seconds.setdefault(stage, []).append(scale * (self.clock() - started))
        return result

    def of(self, *stages: str) -> float:
        return sum(median(self.seconds[stage]) for stage in stages)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


@dataclass
class Race:
    """One base model, and the same rows and subsets for both ways."""

    plan: Plan
    device: torch.device
    watch: Stopwatch

    def __post_init__(self) -> None:
        config = self.plan.config
        self.trainer = Trainer(self.plan.suite, self.plan.architecture, self.device)
        self.recipe = Recipe(config.base_epochs, config.learning_rate, config.batch_size, config.weighting)
        self.rows = {split: self.plan.suite.rows(split) for split in ("train", "validation")}
        everything = range(self.plan.suite.n_tasks)
        self.trainer.fit(everything, replace(self.recipe, epochs=1), SEED)  # pays for imports
        self.base: BaseModel = self.watch.time(
            "base model", lambda: self.trainer.fit(everything, self.recipe, SEED)
        )
        self.watch.seconds["base model"] = [
            self.base.cost.seconds
        ]  # without what the first optimiser imports
        self.flops: dict[str, float] = {}
        self.timed_on = (
            0.0,
            0.0,
        )  # the shares of rows and subsets on which the published procedure was timed

    def ours(self) -> None:
        config = self.plan.config
        projection = make_projection(config.projection, config.proj_dim, SEED)
        featurizer = Featurizer(self.plan.suite, self.base, projection, self.device)
        fit = self.watch.time("fit of the projection", lambda: featurizer.fit(self.rows["train"], SEED))
        train, validation = (
            self.watch.time(f"gradients, {split}", lambda split=split: featurizer.featurize(self.rows[split]))
            for split in ("train", "validation")
        )
        settings = EstimationSettings(config.l2, config.weighting)
        scores = self.watch.time(
            "regression and scoring",
            lambda: estimate_scores(
                train, validation, self.plan.subsets, self.plan.suite.task_names, settings, SEED, self.device
            ),
        )
        self.flops = {
            "gradients": (fit + train.cost + validation.cost).flops,
            "regression and scoring": scores.cost.flops,
        }

    def published(
        self, procedure: PublishedProcedure, features: GradientFeatures, n_rows: int, n_subsets: int
    ) -> None:
        rows, subsets = self.rows["train"], self.plan.subsets
        generator = np.random.default_rng(SEED)
        chosen = generator.choice(len(rows), min(n_rows, len(rows)), replace=False)
        some = [
            subsets[index] for index in generator.choice(len(subsets), min(n_subsets, len(subsets)), False)
        ]
        self.timed_on = (len(chosen) / len(rows), len(some) / len(subsets))
        self.watch.time(
            "published gradients", lambda: procedure.gradients(rows, chosen), len(rows) / len(chosen)
        )
        self.watch.time(
            "published regression and scoring",
            lambda: [procedure.scores(features, subset) for subset in some],
            len(subsets) / len(some),
        )

    def plain_pass(self) -> None:
        """One forward and backward pass over the training rows in batches, as a training would make it."""
        model = self.base.build(self.device)
        parameters, rows = list(model.parameters()), self.rows["train"]
        inputs = self.trainer.inputs
        for batch in torch.arange(len(rows)).split(PASS_ROWS):
            example, task = (torch.from_numpy(part)[batch] for part in (rows.example, rows.task))
            labels = torch.from_numpy(rows.label)[batch].to(self.device)
            logits = (
                model(inputs[example].to(self.device)).gather(1, task[:, None].to(self.device)).squeeze(1)
            )
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
            torch.autograd.grad(loss, parameters)

    def matrix_product_rate(self) -> float:
        """FLOPs per second of a large float32 matrix product, the best the device does."""
        size = PRODUCT_SIZE[self.device.type]
        factor = torch.ones(size, size, device=self.device)
        torch.mm(factor, factor)
        self.watch.time("matrix product", lambda: torch.mm(factor, factor))
        return 2.0 * size**3 / self.watch.of("matrix product")


def compare(plan: Plan, device: torch.device, options: argparse.Namespace) -> dict[str, Any]:
    clock = time.process_time if options.processor_seconds else time.perf_counter
    race = Race(plan, device, Stopwatch(device, clock))
    race.ours()
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else peak_resident_bytes()
    # What the published regressions are fitted to; sparse signs stand for the normal entries, as they cost less.
    sparse = make_projection("sjlt", plan.config.proj_dim, SEED)
    features = Featurizer(plan.suite, race.base, sparse, device).featurize(race.rows["train"])
    procedure = PublishedProcedure(plan.suite, race.base, plan.config.proj_dim, SEED, device)
    race.watch.time("plain pass", race.plain_pass)
    race.published(procedure, features, options.rows, options.subsets)
    for _ in range(options.rounds - 1):
        race.ours()
        race.watch.time("plain pass", race.plain_pass)
        race.published(procedure, features, options.rows, options.subsets)
    return summary(race, peak)


def summary(race: Race, peak: int) -> dict[str, Any]:
    watch = race.watch
    base, plain = watch.of("base model"), watch.of("plain pass")
    fit, train, validation, regression = (watch.of(stage) for stage in OUR_STAGES)
    published_gradients, published_regression = (watch.of(stage) for stage in PUBLISHED_STAGES)
    ours, published = fit + train + validation + regression, published_gradients + published_regression
    best = race.matrix_product_rate()
    shares = {"gradients": fit + train + validation, "regression and scoring": regression}
    return {
        "published_timed_on": dict(zip(("share of rows", "share of subsets"), race.timed_on, strict=True)),
        "speedup_end_to_end": (base + published) / (base + ours),
        "speedup_without_base_model": published / ours,
        "speedup_gradients": published_gradients / (fit + train),
        # Our scoring reads gradients of the validation rows where the published one runs the model.
        "speedup_regression": published_regression / (validation + regression),
        "speedup_regression_without_validation_gradients": published_regression / regression,
        "featurize_passes": (fit + train) / plain,
        "peak_bytes": peak,
        "seconds": {
            stage: watch.of(stage) for stage in ("base model", *OUR_STAGES, "plain pass", *PUBLISHED_STAGES)
        },
        "share_of_our_time": {
            stage: watch.of(stage) / (base + ours) for stage in ("base model", *OUR_STAGES)
        },
        "share_of_published_time": {
            stage: watch.of(stage) / (base + published) for stage in ("base model", *PUBLISHED_STAGES)
        },
        "share_of_peak_flop_rate": {
            stage: race.flops[stage] / seconds / best for stage, seconds in shares.items()
        },
        "peak_flops_per_second": best,
    }


def thinned(rows: Rows, step: int) -> Rows:
    """Every `step`-th row of each class of each task."""
    place = np.empty(len(rows), dtype=np.int64)
    for task in np.unique(rows.task):
        for label in (0, 1):
            own = np.flatnonzero((rows.task == task) & (rows.label == label))
            place[own] = np.arange(len(own))
    keep = place % step == 0
    return Rows(rows.example[keep], rows.task[keep], rows.label[keep])


def slope(small: float, large: float, growth: float) -> float:
    """How fast seconds grow, as the exponent of what grew."""
    return log(large / small) / log(growth)


def growth(plan: Plan, device: torch.device) -> dict[str, float]:
    """The exponents by which seconds grow for eight times as many rows, and for eight times as many subsets."""
    config, suite, watch = plan.config, plan.suite, Stopwatch(device)
    trainer = Trainer(suite, plan.architecture, device)
    recipe = Recipe(config.base_epochs, config.learning_rate, config.batch_size, config.weighting)
    base = trainer.fit(range(suite.n_tasks), recipe, SEED)
    projection = make_projection(config.projection, config.proj_dim, SEED)
    featurizer = Featurizer(suite, base, projection, device)
    all_rows = suite.rows("train")
    featurizer.fit(all_rows, SEED)
    few_rows = thinned(all_rows, GROWTH)
    few, many = (
        watch.time(name, lambda rows=rows: featurizer.featurize(rows))
        for name, rows in (("features of few rows", few_rows), ("features of many rows", all_rows))
    )
    validation = featurizer.featurize(suite.rows("validation"))

    def estimate(name: str, train: GradientFeatures, n_subsets: int) -> None:
        settings, subsets = EstimationSettings(config.l2, config.weighting), plan.subsets[:n_subsets]
        watch.time(
            name,
            lambda: estimate_scores(train, validation, subsets, suite.task_names, settings, SEED, device),
        )

    n_subsets = len(plan.subsets)
    estimate("warm-up", few, n_subsets // GROWTH)
    estimate("regressions on few rows", few, n_subsets)
    estimate("few regressions", many, n_subsets // GROWTH)
    estimate("all regressions", many, n_subsets)
    factor = len(all_rows) / len(few_rows)
    return {
        "rows, features": slope(watch.of("features of few rows"), watch.of("features of many rows"), factor),
        "rows, regressions": slope(watch.of("regressions on few rows"), watch.of("all regressions"), factor),
        "m, regressions": slope(watch.of("few regressions"), watch.of("all regressions"), GROWTH),
    }


def whole_run(options: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """The default recipe with M = 5 from base models to groups, in an empty store; then how the cost grows."""
    config = make_config(
        None, suite=options.suite, n_tasks=options.n_tasks, n_inits=5, n_subsets=options.n_subsets, subset_size=10,
        proj_dim=options.proj_dim, train_groups=False, threads=options.threads, device=options.device,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        record = run(config, RunStore(Path(folder)))
        wall = time.perf_counter() - started
        stages = {stage: cost.seconds for stage, cost in record.summary.costs.items()}
    plan = make_plan(config, load_suite(options.suite, options.n_tasks))
    return {
        "seconds_end_to_end": wall,
        "seconds": stages,
        "peak_bytes": peak_resident_bytes(),
        "slopes": growth(plan, device),
    }


def print_table(found: dict[str, Any]) -> None:
    records = []
    for name, value in found.items():
        parts = value.items() if isinstance(value, dict) else [("", value)]
        records += [{"figure": name, "of": of, "value": float(number)} for of, number in parts]
    publish(records, as_json=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="debian")
    parser.add_argument("--n-tasks", type=int, default=100)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--n-subsets", type=int, default=2000)
    parser.add_argument("--subset-size", type=int, default=10)
    parser.add_argument("--proj-dim", type=int, default=200)
    parser.add_argument("--projection", help="of ours (left out: the default recipe's)")
    parser.add_argument(
        "--rows", type=int, default=512, help="rows on which the published gradients are timed"
    )
    parser.add_argument("--subsets", type=int, default=8, help="subsets on which the published rest is timed")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="for both ways")
    parser.add_argument("--processor-seconds", action="store_true", help="time by them, for a busy machine")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    device = resolve_device(options.device)
    with limited_threads(options.threads):
        if options.full:
            found = whole_run(options, device)
        else:
            config = make_config(
                None, suite=options.suite, width=options.width, n_subsets=options.n_subsets,
                subset_size=options.subset_size, proj_dim=options.proj_dim, projection=options.projection,
            )  # fmt: skip
            plan = make_plan(config, load_suite(options.suite, options.n_tasks))
            found = compare(plan, device, options)
    if options.json:
        print(json.dumps({"machine": machine(), **found}, indent=2))
    else:
        print_table(found)


if __name__ == "__main__":
    main()
