"""The ablations of Grad-TAG, section 5.3.4 and table 2: groups, subsets, initialisations, dimension, clustering."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import sqrt
from typing import Any

import numpy as np

from benchmarks.ablations_bench import Ablation, Affinity, mean_and_error, members
from benchmarks.ablations_ptg import gains, usual_draw
from benchmarks.accuracy_bench import Record
from gradtag_core.affinity.label_similarity import label_similarity
from gradtag_core.config import ProjectionKind
from gradtag_core.cost import Cost
from gradtag_core.errors import InvalidInput
from gradtag_core.grouping.density import density, expected_density
from gradtag_core.grouping.result import Grouping
from gradtag_core.methods.principled_task_grouping import PROBES
from gradtag_core.methods.random_groups import random_groups

PROJECTIONS: tuple[ProjectionKind, ...] = ("pca", "gaussian")
METHODS: dict[str, dict[str, str]] = {
    "SDP (ADMM)": {"method": "sdp"},
    "SDP, threshold rounding": {"method": "sdp", "rounding": "threshold"},
    "spectral": {"method": "spectral"},
    "Lloyd": {"method": "lloyd"},
    "local search": {"method": "local"},
}
EXACT = {"exact": {"method": "milp"}}
EXACT_GROUPS = 3  # of the few tasks


def reference(ablation: Ablation) -> Iterator[Record]:
    """What no setting of an estimate can change: the truth and its ceiling, its own groups, and groups for nothing."""
    repeat, ceiling = ablation.truth_bench.repeat_and_ceiling
    truth, seeds = ablation.truth, ablation.seeds
    similarity = Affinity(label_similarity(ablation.suite), Cost())

    def line(value: str, runs: Sequence[Any], **more: Any) -> Record:
        return ablation.line("reference", "reference", value, "", runs, ceiling, **more)

    repeated = sqrt(repeat) * ceiling if repeat and ceiling else None
    runs = [ablation.grouped(truth, seed) for seed in seeds]
    fraction = repeated / ceiling if repeated and ceiling else None
    more = {"row_spearman": repeated, "row_spearman_fraction": fraction, "row_spearman_ceiling": ceiling}
    n_truth = len(ablation.truth_bench.plan.truth_subsets)
    yield line(f"really trained: {n_truth} subsets, two seeds", runs, **more)
    probed = [gains(ablation, seed, PROBES, usual_draw(ablation)) for seed in seeds]
    runs = [ablation.grouped(each, seed, truth.values) for seed, each in enumerate(probed)]
    yield line("gains of Principled Task Grouping", runs)
    yield line("label similarity", [ablation.grouped(similarity, seed, truth.values) for seed in seeds])
    yield line("random groups", [ablation.random(seed) for seed in seeds])
    yield line("naive multitask", [ablation.naive(seed) for seed in seeds])
    yield line("single-task", [ablation.single(seed) for seed in seeds])


def groups(ablation: Ablation) -> Iterator[Record]:
    """The number of groups k, for one estimate per seed by the default configuration, beside random groups."""
    estimates = [ablation.default(seed) for seed in ablation.seeds]
    for n_groups in ablation.extent.n_groups:
        if n_groups >= ablation.suite.n_tasks:
            continue
        runs = [ablation.grouped(each, seed, n_groups=n_groups) for seed, each in enumerate(estimates)]
        yield ablation.line("groups", "k", n_groups, "estimated groups", runs)
        runs = [ablation.random(seed, n_groups) for seed in ablation.seeds]
        yield ablation.line("groups", "k", n_groups, "random groups", runs)
    yield ablation.line(
        "groups", "k", 1, "naive multitask", [ablation.naive(seed) for seed in ablation.seeds]
    )
    runs = [ablation.single(seed) for seed in ablation.seeds]
    yield ablation.line("groups", "k", ablation.suite.n_tasks, "single-task", runs)


def subsets(ablation: Ablation) -> Iterator[Record]:
    """The number of subsets m, gradients at one base model; the truth is of other subsets."""
    for n_subsets in dict.fromkeys(map(ablation.n_subsets, ablation.extent.meetings)):
        yield from _estimates(ablation, "subsets", "m", n_subsets, "", n_inits=1, n_subsets=n_subsets)


def size(ablation: Ablation) -> Iterator[Record]:
    """The subset size α, with as many subsets as let pairs of tasks meet equally often; the truth keeps its size."""
    for subset_size in ablation.extent.sizes:
        if subset_size >= ablation.suite.n_tasks:
            continue
        changes = {"n_inits": 1, "subset_size": subset_size, "n_subsets": None}
        yield from _estimates(ablation, "size", "α", subset_size, "", **changes)


def inits(ablation: Ablation) -> Iterator[Record]:
    """The number of base models M, on the truth's subsets, as table 2 has it."""
    for n_inits in ablation.extent.inits:
        yield from _estimates(ablation, "inits", "M", n_inits, "", on_truth=True, n_inits=n_inits)


def dimension(ablation: Ablation) -> Iterator[Record]:
    """The projected dimension d at one base model, on the truth's subsets, by principal directions and as published."""
    for projection in PROJECTIONS:
        for dim in ablation.extent.dimensions:
            changes = {"n_inits": 1, "projection": projection, "proj_dim": dim}
            yield from _estimates(ablation, "dimension", "d", dim, projection, on_truth=True, **changes)


def _estimates(
    ablation: Ablation, study: str, setting: str, value: int, variant: str, *, on_truth: bool = False, **changes: Any
) -> Iterator[Record]:  # fmt: skip
    """The line of gradient estimates under some changes of the configuration; none where they do not fit the suite."""
    bench = ablation.truth_bench
    chosen = bench.plan.truth_subsets if on_truth else None
    try:
        found = [ablation.gradients(seed, chosen, **changes) for seed in ablation.seeds]
    except InvalidInput as error:
        print(f"[{study}] {setting} {value} is left out: {error}", file=sys.stderr, flush=True)
        return
    truth, ceiling = ablation.truth.values, bench.repeat_and_ceiling[1]
    runs = [ablation.grouped(each, seed, truth) for seed, each in enumerate(found)]
    ratio = float(np.mean([each.cost.flops for each in found])) / bench.full_flops
    more = {"flops_ratio": ratio, "n_subsets": found[0].n_subsets}
    yield ablation.line(study, setting, value, variant, runs, ceiling, **more)


def clustering(ablation: Ablation) -> Iterator[Record]:
    """Ways from an affinity to groups, over one estimate per seed; the exact ones on the first tasks alone."""
    estimates = [ablation.default(seed).values for seed in ablation.seeds]
    n_tasks = min(ablation.extent.exact_tasks, ablation.suite.n_tasks)
    if n_tasks < ablation.suite.n_tasks:
        yield from _clusterings(ablation, estimates, METHODS)
    first = ablation.of(ablation.suite.select(n_tasks), EXACT_GROUPS)
    yield from _clusterings(first, [values[:n_tasks, :n_tasks] for values in estimates], METHODS | EXACT)


def _clusterings(
    ablation: Ablation, estimates: Sequence[np.ndarray], methods: dict[str, dict[str, str]]
) -> Iterator[Record]:
    """`seconds` are those of the clustering; gaps of all methods are to the best bound that one of them proved."""
    n_groups, variant = ablation.n_groups, f"{ablation.suite.n_tasks} tasks"
    found = {
        name: [ablation.grouping(values, n_groups, seed, **how) for seed, values in enumerate(estimates)]
        for name, how in methods.items()
    }
    bounds = [
        min(each[seed].upper_bound for each in found.values() if each[seed].n_groups == n_groups)
        for seed in ablation.seeds
    ]
    for name, own in found.items():
        tight = [
            replace(each, upper_bound=min(each.upper_bound, bound)) if each.n_groups == n_groups else each
            for each, bound in zip(own, bounds, strict=True)
        ]
        runs = [
            ablation.run(members(each.labels), seed, Cost(0.0, each.seconds))
            for seed, each in enumerate(tight)
        ]
        yield ablation.line("clustering", "method", name, variant, runs, flops=None, **_solved(tight))
    runs = [ablation.random(seed) for seed in ablation.seeds]
    more = _random_figures(ablation, estimates, bounds)
    yield ablation.line("clustering", "method", "random groups", variant, runs, flops=None, **more)


def _solved(groupings: Sequence[Grouping]) -> dict[str, Any]:
    gap, gap_se = mean_and_error([each.gap for each in groupings])
    return {
        "density": mean_and_error([each.density for each in groupings])[0], "gap": gap, "gap_se": gap_se,
        "n_groups": mean_and_error([each.n_groups for each in groupings])[0],
        "status": [each.status for each in groupings],
    }  # fmt: skip


def _random_figures(
    ablation: Ablation, estimates: Sequence[np.ndarray], bounds: Sequence[float]
) -> dict[str, Any]:
    """Density and gap of the random groups that were trained."""
    n_tasks, n_groups = ablation.suite.n_tasks, ablation.n_groups
    densities, gaps = [], []
    for seed, (values, bound) in enumerate(zip(estimates, bounds, strict=True)):
        labels = np.empty(n_tasks, dtype=np.int64)
        for label, group in enumerate(random_groups(n_tasks, n_groups, seed)):
            labels[list(group)] = label
        densities.append(density(values, labels))
        gaps.append((bound - densities[-1]) / (bound - expected_density(values, n_groups)))
    gap, gap_se = mean_and_error(gaps)
    found = mean_and_error(densities)[0]
    return {"density": found, "gap": gap, "gap_se": gap_se, "n_groups": n_groups, "status": None}
