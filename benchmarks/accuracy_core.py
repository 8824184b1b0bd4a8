"""The core study: reference lines, and every way of spending a budget."""

from collections.abc import Iterator
from dataclasses import replace
from math import sqrt

import numpy as np

from benchmarks.accuracy_bench import Bench, Record
from gradtag_core.affinity.matrix import average
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.config import PRESETS
from gradtag_core.cost import Cost
from gradtag_core.evaluation.agreement import agreement
from gradtag_core.evaluation.comparison import Evidence, compare

REAL_BUDGETS = (0.01, 0.02, 0.03, 0.05, 0.1)  # of the FLOPs of training every subset once
JOINED_BUDGETS = (0.03, 0.05, 0.1)
FREE_LINES = ("constant", "random", "label_similarity", "train_size")
OF_THE_BENCH = ("subset_size", "n_subsets")
PUBLISHED = {"projection": "gaussian", "proj_dim": 200, "n_inits": 3}  # and base models trained to the end


def core(bench: Bench) -> Iterator[Record]:
    """Reference lines, gradients, small models, and both joined, by budget."""
    yield from ceiling_lines(bench, "core")
    gradients = bench.gradients(n_inits=1)
    yield from free_lines(bench, "core", gradients)
    yield from real_lines(bench, "core")
    published = bench.gradients(**PUBLISHED, base_epochs=bench.config.epochs)
    yield bench.judge("core", "published recipe (Gaussian, d=200, M=3, converged)", published)
    yield bench.judge("core", "gradients, M=1", gradients)
    yield bench.judge("core", "gradients, M=3", bench.gradients(n_inits=3))
    yield from small_model_lines(bench, "core")
    yield bench.judge("core", "default configuration", preset(bench, None))
    for name in ("quick", "accurate"):
        yield bench.judge("core", f"preset {name} (same subsets)", preset(bench, name))
    yield from joined_lines(bench, "core", gradients)


def ceiling_lines(bench: Bench, study: str) -> Iterator[Record]:
    """The ceiling, and what the whole truth would score if it were repeated with another seed: √r of the ceiling.

    `row_spearman` alone means something in these two lines; the other figures are those of one seed of the truth
    against the other.
    """
    repeat, ceiling = bench.repeat_and_ceiling
    if repeat is None or ceiling is None:
        return
    first, second = (
        average(bench.truth.of_seed_only(seed), bench.metric).values for seed in bench.truth.seeds[:2]
    )
    found = agreement(first, second)
    for name, value in (("noise ceiling", ceiling), ("truth repeated once", sqrt(repeat) * ceiling)):
        line = replace(found, row_spearman=value)
        yield bench.record(study, name, line, Cost(bench.full_flops), ceiling)


def free_lines(bench: Bench, study: str, estimated: SubsetScores) -> Iterator[Record]:
    """What costs nothing, or no more than a base model; `estimated` lends its scale."""
    units = bench.units
    seed = bench.config.init_seeds[0]
    base = units.base_model(seed).cost
    evidence = Evidence(
        units.base_scores(seed), bench.similarity, estimated.cost.flops, base.flops, bench.full_flops,
        bench.suite.train_sizes,
    )  # fmt: skip
    lines = compare(estimated, bench.truth, evidence, bench.metric).lines
    for name in FREE_LINES:
        cost = base if name == "constant" else None
        yield bench.record(study, name, lines[name].agreement, cost, bench.repeat_and_ceiling[1])


def real_lines(bench: Bench, study: str) -> Iterator[Record]:
    """Real training of fewer subsets on seeds that the truth does not use, averaged and by the additive model: all from
    one initialisation, as each half of the truth is, or each from its own."""
    for seed_step, seeds in ((0, "one seed"), (1, "a seed each")):
        for budget in REAL_BUDGETS:
            trained = bench.real_within(budget * bench.full_flops, seed_step)
            name = f"real training, {seeds}, {budget:.0%} ({len(trained.subsets)} subsets)"
            yield bench.judge(study, f"{name}, averaged", trained)
            if scored_twice(trained):
                yield bench.judge(study, f"{name}, additive", bench.joined(trained))


def small_model_lines(bench: Bench, study: str) -> Iterator[Record]:
    """Small models alone: averaged, and by the additive model."""
    for budget in REAL_BUDGETS:
        trained = bench.small_models(budget * bench.full_flops)
        name = f"small models, {budget:.0%} ({len(trained.subsets)} subsets)"
        yield bench.judge(study, f"{name}, averaged", trained)
        if scored_twice(trained):
            yield bench.judge(study, f"{name}, additive", bench.joined(trained))


def scored_twice(trained: SubsetScores) -> bool:
    """Whether some task is in two of the subsets or more, which the additive model asks for."""
    return int(np.bincount(trained.task).max()) > 1


def joined_lines(bench: Bench, study: str, gradients: SubsetScores) -> Iterator[Record]:
    """Gradient estimates joined with small models, and with real trainings in their place, by total budget."""
    for budget in JOINED_BUDGETS:
        left = budget * bench.full_flops - gradients.cost.flops
        if left <= 0:  # the gradients alone exceed the budget
            continue
        for name, trained in (
            ("small models", bench.small_models(left)),
            ("real trainings, one seed", bench.real_within(left, 0)),
        ):
            estimator = f"joined: gradients + {len(trained.subsets)} {name}, {budget:.0%}"
            yield bench.judge(study, estimator, bench.joined(trained, gradients))


def preset(bench: Bench, name: str | None) -> SubsetScores:
    """The estimator of a preset (None: the defaults) on the subsets of the bench."""
    changes = {key: value for key, value in PRESETS.get(name or "", {}).items() if key not in OF_THE_BENCH}
    units = bench.units_with(**changes)
    gradients = bench.gradients(**changes) if units.plan.config.n_inits else None
    n_small = len(units.plan.proxy_subsets)
    if not n_small:
        assert gradients is not None  # the configuration refuses neither
        return gradients
    return bench.joined(bench.first_small_models(n_small), gradients)
