"""Principled Task Grouping on very diverse tasks, on many tasks, and what sampling and lazy probes cost it."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import combinations

import numpy as np

from benchmarks.ablations_bench import Ablation, Affinity, Run, mean_and_error, members
from benchmarks.accuracy_bench import Record
from gradtag_core.affinity.label_similarity import label_similarity
from gradtag_core.cost import Cost, measure
from gradtag_core.evaluation.agreement import agreement
from gradtag_core.methods.principled_task_grouping import EXACT_TASKS, PROBES, TASKS_PER_PROBE, transfer_gains
from gradtag_core.tasks.registry import load_suite
from gradtag_core.tasks.suite import UNLABELLED, SplitRule, TaskSuite

FAMILIES = ("digits", "yeast", "planted")
FAMILY_SPLIT = SplitRule(train=0.3)  # that of the digits
DIVERSE_PASSES = 4  # times the usual epochs: a family alone makes few steps in one, and would not be trained
STAGE = "ablation-gains"


def gains(ablation: Ablation, seed: int, probes: int, tasks_per_probe: int) -> Affinity:
    """The transfer gains that the method finds at one seed."""
    setting = ablation.setting(seed)
    key = ablation.bench(seed).units.key(
        STAGE, setting.architecture.to_json(), asdict(setting.recipe), setting.search_seed, probes, tasks_per_probe
    )  # fmt: skip
    found = ablation.cache.get_arrays(STAGE, key)
    if found is None:
        with measure() as meter:
            values = transfer_gains(setting, probes, tasks_per_probe, meter)
        cost = np.array([meter.cost.flops, meter.cost.seconds])
        ablation.cache.put_arrays(STAGE, key, {"values": values, "cost": cost})
        return Affinity(values, meter.cost)
    arrays, _ = found
    return Affinity(arrays["values"], Cost(*arrays["cost"].tolist()))


def usual_draw(ablation: Ablation) -> int:
    """How many tasks a probe of the method looks at by default."""
    return min(TASKS_PER_PROBE, ablation.suite.n_tasks)


def labels_of(ablation: Ablation, values: np.ndarray, seed: int) -> np.ndarray:
    """The groups of gains, as the method forms them: (n,)."""
    method = "milp" if len(values) <= EXACT_TASKS else "auto"
    return ablation.grouping(
        values, ablation.n_groups, ablation.setting(seed).search_seed, method=method
    ).labels


def judged(ablation: Ablation, seed: int, found: Affinity, full: Affinity | None = None) -> Run:
    """The run of the groups of gains, whose rows are judged by `full` where it is given."""
    row = None if full is None else agreement(found.values, full.values).row_spearman
    return ablation.run(members(labels_of(ablation, found.values, seed)), seed, found.cost, row)


def ptg(ablation: Ablation) -> Iterator[Record]:
    """Diverse tasks, many tasks, then sampling on the suite itself."""
    suite, config = diverse_suite(), ablation.config
    longer = {"epochs": DIVERSE_PASSES * config.epochs, "base_epochs": DIVERSE_PASSES * config.base_epochs}
    for n_groups in ablation.extent.diverse_groups:
        wide = replace(ablation, config=config.model_copy(update=longer)).of(suite, n_groups)
        yield from diverse(wide, family_of(suite))
    yield from many(ablation.of(load_suite("debian", ablation.extent.many_tasks)))
    yield from sampling(ablation)


def diverse_suite(names: tuple[str, ...] = FAMILIES) -> TaskSuite:
    """The tasks of several tables as one suite: no example is labelled for tasks of two families; inputs are filled
    up with zeros to one length, which shows a model where an example comes from."""
    suites = [load_suite(name) for name in names]
    tables = [suite.inputs.reshape(suite.n_examples, -1) for suite in suites]
    width = max(table.shape[1] for table in tables)
    inputs = np.concatenate([np.pad(table, ((0, 0), (0, width - table.shape[1]))) for table in tables])
    n_tasks, starts = sum(suite.n_tasks for suite in suites), np.cumsum([0, *(s.n_examples for s in suites)])
    labels = np.full((len(inputs), n_tasks), UNLABELLED, dtype=np.int8)
    column = 0
    for suite, start in zip(suites, starts, strict=False):
        labels[start : start + suite.n_examples, column : column + suite.n_tasks] = suite.labels
        column += suite.n_tasks
    order = np.concatenate([suite.order + start for suite, start in zip(suites, starts, strict=False)])
    task_names = tuple(f"{suite.name}: {task}" for suite in suites for task in suite.task_names)
    return TaskSuite(" + ".join(names), task_names, inputs, labels, order, FAMILY_SPLIT)


def family_of(suite: TaskSuite) -> np.ndarray:
    """The family (n,) of each task of a diverse suite."""
    families = [name.split(":")[0] for name in suite.task_names]
    return np.unique(families, return_inverse=True)[1]


def diverse(ablation: Ablation, family: np.ndarray) -> Iterator[Record]:
    """Tasks of families that share nothing: does the method keep them apart, and does that help?"""
    from sklearn.metrics import adjusted_rand_score

    drawn = usual_draw(ablation)
    similarity = Affinity(label_similarity(ablation.suite), Cost())
    affinities = {
        f"Principled Task Grouping, {drawn} tasks a probe": [
            gains(ablation, seed, PROBES, drawn) for seed in ablation.seeds
        ],
        "Principled Task Grouping, all pairs": [
            gains(ablation, seed, PROBES, ablation.suite.n_tasks) for seed in ablation.seeds
        ],
        "gradients, M=1": [ablation.gradients(seed, n_inits=1) for seed in ablation.seeds],
        "label similarity": [similarity] * len(ablation.seeds),
    }
    for name, found in affinities.items():
        runs = [judged(ablation, seed, each) for seed, each in enumerate(found)]
        labels = [labels_of(ablation, each.values, seed) for seed, each in enumerate(found)]
        index, index_se = mean_and_error([float(adjusted_rand_score(family, own)) for own in labels])
        rand = {"adjusted_rand_index": index, "adjusted_rand_index_se": index_se}
        yield ablation.line("ptg", "diverse, k", ablation.n_groups, name, runs, **rand)
    if ablation.n_groups == len(np.unique(family)):
        runs = [ablation.run(members(family), seed) for seed in ablation.seeds]
        known = {"adjusted_rand_index": 1.0, "adjusted_rand_index_se": None}
        yield ablation.line("ptg", "diverse, k", ablation.n_groups, "the families themselves", runs, **known)
    yield from _without_search(ablation, "diverse, k", ablation.n_groups)


def many(ablation: Ablation) -> Iterator[Record]:
    """A hundred tasks and more: the method as it is by default, and with more probes where asked for."""
    drawn, n_tasks = usual_draw(ablation), ablation.suite.n_tasks
    for probes in ablation.extent.many_probes:
        name = f"Principled Task Grouping, {probes} probes of {drawn} tasks"
        runs = [judged(ablation, seed, gains(ablation, seed, probes, drawn)) for seed in ablation.seeds]
        yield ablation.line("ptg", "many, n", n_tasks, name, runs)
    runs = [ablation.grouped(ablation.gradients(seed, n_inits=1), seed) for seed in ablation.seeds]
    yield ablation.line("ptg", "many, n", n_tasks, "gradients, M=1", runs)
    yield from _without_search(ablation, "many, n", n_tasks)


def _without_search(ablation: Ablation, setting: str, value: int) -> Iterator[Record]:
    for name, judge in (
        ("random groups", ablation.random), ("naive multitask", ablation.naive), ("single-task", ablation.single)
    ):  # fmt: skip
        yield ablation.line("ptg", setting, value, name, [judge(seed) for seed in ablation.seeds])


def sampling(ablation: Ablation) -> Iterator[Record]:
    """What fewer tasks per probe, and fewer probes, lose: row Spearman with all pairs at the default probes of the same
    training. The same again from another seed says how much of that is noise of the training itself."""
    n_tasks, seeds = ablation.suite.n_tasks, ablation.seeds
    full = [gains(ablation, seed, PROBES, n_tasks) for seed in seeds]
    runs = [judged(ablation, seed, each) for seed, each in enumerate(full)]
    between = [
        agreement(full[one].values, full[other].values).row_spearman for one, other in combinations(seeds, 2)
    ]
    repeat = {"row_spearman": mean_and_error(between)[0], "row_spearman_se": None}
    yield ablation.line(
        "ptg", "sampling, tasks per probe", n_tasks, "all pairs, against another seed", runs, **repeat
    )
    for drawn in ablation.extent.tasks_per_probe:
        if drawn < n_tasks:
            yield _sampled(ablation, full, "sampling, tasks per probe", drawn, PROBES, drawn)
    for probes in ablation.extent.probes:
        if probes != PROBES:
            yield _sampled(ablation, full, "sampling, probes", probes, probes, n_tasks)


def _sampled(
    ablation: Ablation, full: list[Affinity], setting: str, value: int, probes: int, drawn: int
) -> Record:
    found = [gains(ablation, seed, probes, drawn) for seed in ablation.seeds]
    runs = [judged(ablation, seed, each, full[seed]) for seed, each in enumerate(found)]
    return ablation.line("ptg", setting, value, f"{probes} probes of {drawn} tasks", runs)
