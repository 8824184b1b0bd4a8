"""Studies that vary one setting of the gradient estimates, or of the small models, and leave the rest as it is."""

from collections.abc import Iterator
from dataclasses import replace
from math import comb
from typing import Any

import numpy as np
import torch

from benchmarks.accuracy_bench import Bench, Record, filled
from gradtag_core.affinity.estimate import EstimationSettings, estimate_scores
from gradtag_core.affinity.matrix import average
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.config import ProjectionKind
from gradtag_core.cost import Cost
from gradtag_core.evaluation.agreement import spearman_by_row

PROJECTIONS: tuple[ProjectionKind, ...] = ("pca", "gaussian", "rademacher", "sjlt", "factored")
DIMENSIONS = (100, 200, 400)
EXACT_TASKS, EXACT_SUBSETS = 12, 300  # the exact kernel holds the inner products of all rows
INITS = (1, 2, 4, 8, 16, 32)
BASE_EPOCHS = (2, 3, 5, 8, 10, 20)
PENALTIES = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
VALIDATION_BUDGET = 0.01  # small models that choose the penalty, as a share of the full training
WIDTHS = (8, 16, 32, 64)
EXPONENTS = {"same learning rate": 0.0, "by the root of the width ratio": 0.5, "by the width ratio": 1.0}
PROXY_BUDGET = 0.03
SEED_BUDGETS = (0.01, 0.03, 0.1)
HINT_BUDGETS = (0.005, 0.01, 0.02, 0.03)
HINT_PENALTY = 1e-6  # of the preset `accurate`


def projection(bench: Bench) -> Iterator[Record]:
    """Kinds of projections and d, M = 1; then with the exact kernel on fewer tasks, where it fits memory."""
    for kind in PROJECTIONS:
        for dim in DIMENSIONS:
            scores = bench.gradients(n_inits=1, projection=kind, proj_dim=dim)
            yield bench.judge("projection", f"{kind}, d={dim}", scores)
    few = fewer_tasks(bench)
    for kind in (*PROJECTIONS, "identity"):
        name = "identity (exact)" if kind == "identity" else f"{kind}, d=200"
        yield few.judge(
            "projection", f"{few.suite.n_tasks} tasks: {name}", few.gradients(n_inits=1, projection=kind)
        )


def fewer_tasks(bench: Bench) -> Bench:
    """The first tasks only, with subsets and a truth of their own."""
    n_tasks = min(EXACT_TASKS, bench.suite.n_tasks)
    size = min(bench.config.subset_size, n_tasks - 1)
    n_subsets = min(EXACT_SUBSETS, bench.config.n_subsets or EXACT_SUBSETS, comb(n_tasks, size))
    changes = {"n_tasks": n_tasks, "subset_size": size, "n_subsets": n_subsets, "truth": n_subsets}
    return replace(bench, config=bench.config.model_copy(update=changes), suite=bench.suite.select(n_tasks))


def inits(bench: Bench) -> Iterator[Record]:
    """M base models, gradients alone."""
    for n_inits in INITS:
        yield bench.judge("inits", f"M={n_inits}", bench.gradients(n_inits=n_inits))


def stopping(bench: Bench) -> Iterator[Record]:
    """How early the base model stops; a real training takes `epochs` of the configuration."""
    for epochs in BASE_EPOCHS:
        yield bench.judge("stopping", f"{epochs} epochs", bench.gradients(n_inits=1, base_epochs=epochs))


def l2(bench: Bench) -> Iterator[Record]:
    """Ridge penalties, and the one whose estimate agrees best with small models, which cost 1 % of the full training.

    Small models are the validation: they are at hand wherever the defaults are used, and share no seed with the truth.
    """
    tried: dict[float, SubsetScores] = {}
    for penalty in PENALTIES:
        tried[penalty] = bench.gradients(n_inits=1, l2=penalty)
        yield bench.judge("l2", f"l2={penalty:.0e}", tried[penalty])
    small = bench.small_models(VALIDATION_BUDGET * bench.full_flops)
    guide = filled(average(small, bench.metric).values)
    agreements = {
        penalty: float(np.nanmean(spearman_by_row(average(scores, bench.metric).values, guide)))
        for penalty, scores in tried.items()
    }
    best = max(agreements, key=lambda penalty: agreements[penalty])
    others = [bench.units_with(l2=penalty) for penalty in PENALTIES if penalty != best]
    cost = sum((units.estimated(bench.config.seed).cost for units in others), tried[best].cost + small.cost)
    name = f"l2 chosen by {len(small.subsets)} small models: {best:.0e}"
    yield bench.judge("l2", name, tried[best], cost)


def offset(bench: Bench) -> Iterator[Record]:
    """The base model's logits as a fixed offset of the regressions, or zero in their place."""
    yield bench.judge("offset", "with the base model's logits", bench.gradients(n_inits=1))
    yield bench.judge("offset", "logits zero", without_offset(bench))
    early: dict[str, Any] = {"base_epochs": bench.config.epochs}
    yield bench.judge(
        "offset", "with the logits of a converged base model", bench.gradients(n_inits=1, **early)
    )
    yield bench.judge("offset", "converged, logits zero", without_offset(bench, **early))


def without_offset(bench: Bench, **changes: Any) -> SubsetScores:
    """Estimates from features whose logits are zero, as if the base model were undecided everywhere."""
    units = bench.units_with(**changes)
    config, seed = units.plan.config, bench.config.seed
    settings = EstimationSettings(config.l2, config.weighting)

    def work() -> SubsetScores:
        train, validation = (
            replace(part, logits=torch.zeros_like(part.logits)) for part in units.features(seed)
        )
        return estimate_scores(
            train,
            validation,
            bench.plan.subsets,
            bench.suite.task_names,
            settings,
            seed,
            units.device,
            bench.reporter,
        )

    parts = [units.base_model_key(seed), config.projection, config.proj_dim, config.l2, config.weighting]
    members = [list(subset) for subset in bench.plan.subsets]
    scores = bench.kept("accuracy-without-offset", [*parts, members], work)
    spent: Cost = units.base_model(seed).cost + units.features_facts(seed)[0] + scores.cost
    return replace(scores, cost=spent)


def proxies(bench: Bench) -> Iterator[Record]:
    """Widths and learning rates of small models that train for the same FLOPs; then one seed for all of them, in place
    of a seed each, at two budgets."""
    full_width = bench.plan.architecture.width
    for width in WIDTHS:
        for name, exponent in EXPONENTS.items():
            if width == full_width and exponent:
                continue
            trained = bench.small_models(PROXY_BUDGET * bench.full_flops, width, exponent)
            yield from _both_ways(bench, f"width {width}, {name}", trained)
    for budget in SEED_BUDGETS:
        for seed_step, seeds in ((0, "one seed"), (1, "a seed each")):
            trained = bench.small_models(budget * bench.full_flops, seed_step=seed_step)
            yield from _both_ways(bench, f"default width, {seeds}, {budget:.0%}", trained)


def _both_ways(bench: Bench, name: str, trained: SubsetScores) -> Iterator[Record]:
    kind = f"{name} ({len(trained.subsets)} subsets)"
    yield bench.judge("proxies", f"{kind}, averaged", trained)
    yield bench.judge("proxies", f"{kind}, additive", bench.joined(trained))


def hints(bench: Bench) -> Iterator[Record]:
    """What the additive model gains from each hint, by number of small models; gradients are charged where used."""
    n_tasks = bench.suite.n_tasks
    sizes = np.tile(np.log(bench.suite.train_sizes), (n_tasks, 1))
    free = {"train size": sizes, "label similarity": bench.similarity}
    sources = {f"gradients, M={n}": bench.gradients(n_inits=n, l2=HINT_PENALTY) for n in (1, 3)}
    choices: dict[str, dict[str, np.ndarray]] = {"no hints": {}, "free hints": free}
    choices |= {name: {name: values} for name, values in free.items()}
    costs = {name: scores.cost for name, scores in sources.items()}
    for name, scores in sources.items():
        values = average(scores, bench.metric).values
        choices |= {name: {name: values}, f"free hints + {name}": {**free, name: values}}
        costs[f"free hints + {name}"] = costs[name]
    for budget in HINT_BUDGETS:
        trained = bench.small_models(budget * bench.full_flops)
        for name, chosen in choices.items():
            found = bench.with_hints(trained, chosen, costs.get(name))
            yield bench.judge("hints", f"{len(trained.subsets)} small models ({budget:.1%}), {name}", found)
