"""What each part of the gradient estimate costs in agreement: base model, linearisation, projection; and rows.

On planted tasks, whose labels follow from one linear rule each, or from a random network. The model is the same
multilayer perceptron for both, so that linear tasks still need it to learn features that tasks can share.
"""

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.accuracy_bench import Bench, Record
from benchmarks.accuracy_core import ceiling_lines
from benchmarks.accuracy_sweeps import fewer_tasks
from benchmarks.accuracy_trainings import fine_tuned
from gradtag_core.affinity.matrix import average
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.config import Metric
from gradtag_core.evaluation.agreement import agreement
from gradtag_core.tasks.planted import Network, planted_suite
from gradtag_core.tasks.suite import SplitRule, TaskSuite

PLANTED_TASKS, PLANTED_SIZE, PLANTED_SUBSETS = 12, 4, 96
TRAIN_SHARE = 0.4
ROWS = (1_000, 10_000, 100_000)
NETWORKS: tuple[Network, ...] = ("linear", "random")
EXACT_ROWS = 1_000  # the most planted rows for which the exact kernel is computed
LABEL_NOISE = 0.1


def planted(network: Network, n_rows: int) -> TaskSuite:
    """Planted tasks with about `n_rows` training rows in all."""
    n_labelled = round(n_rows / TRAIN_SHARE / PLANTED_TASKS)
    suite = planted_suite(
        PLANTED_TASKS, n_labelled=n_labelled, network=network, label_noise=LABEL_NOISE
    ).suite
    rule = SplitRule(TRAIN_SHARE, 0.2, cap_validation=2_000)
    return replace(suite, name=f"planted, {network}, {n_rows:,} rows", split_rule=rule)


def planted_bench(bench: Bench, network: Network, n_rows: int) -> Bench:
    changes = {
        "suite": "planted", "n_tasks": PLANTED_TASKS, "n_subsets": PLANTED_SUBSETS,
        "subset_size": PLANTED_SIZE, "truth": PLANTED_SUBSETS,
    }  # fmt: skip
    config = bench.config.model_copy(update=changes)
    return replace(bench, config=config, suite=planted(network, n_rows), truth_kind="scratch")


def parts(bench: Bench) -> Iterator[Record]:
    """The chain from the truth to the estimate, on planted tasks by number of rows, then on a part of the suite."""
    for n_rows in ROWS:
        for network in NETWORKS:
            yield from chain(planted_bench(bench, network, n_rows), exact=n_rows <= EXACT_ROWS)
    if bench.suite.name != "planted":
        yield from chain(replace(fewer_tasks(bench), truth_kind="scratch"), exact=True)


def chain(bench: Bench, exact: bool) -> Iterator[Record]:
    """Against training from scratch: fine-tuning from the estimate's own base model (what the base model loses), the
    exact linearised model (and the linearisation), the default projection (and the projection). The same estimates
    against that fine-tuning show linearisation and projection alone.
    """
    name = bench.suite.name if bench.suite.name.startswith("planted") else f"{bench.suite.n_tasks} tasks"
    units, seed = bench.units, bench.config.seed
    tuned = fine_tuned(
        units,
        bench.plan.truth_subsets,
        bench.config.proxy_seed,
        bench.reporter,
        "Fine-tuning",
        base_seed=seed,
    )
    real = tuned.first(len(bench.plan.truth_subsets))
    estimates: dict[str, SubsetScores] = {}
    if exact:
        estimates["exact kernel, M=1"] = bench.gradients(n_inits=1, projection="identity")
    for kind in ("pca", "gaussian"):
        estimates[f"{kind}, d=200, M=1"] = bench.gradients(n_inits=1, projection=kind)
    for line in ceiling_lines(bench, "parts"):  # none where the seeds of the truth do not agree at all
        yield {**line, "estimator": f"{name}: {line['estimator']}"}
    yield bench.judge("parts", f"{name}: fine-tuned from the same base model", real)
    for estimator, scores in estimates.items():
        yield bench.judge("parts", f"{name}: {estimator}", scores)
    for estimator, scores in estimates.items():
        yield against(bench, f"{name}: {estimator}, against that fine-tuning", scores, real, bench.metric)


def against(bench: Bench, name: str, scores: SubsetScores, real: SubsetScores, metric: Metric) -> Record:
    """An estimate judged by one seed of fine-tuning; that has no ceiling of its own here."""
    matched = average(scores.of_subsets(bench.plan.truth_subsets), metric).values
    found = agreement(matched, average(real, metric).values)
    record = bench.record("parts", name, found, scores.cost, None)
    return {**record, "truth": f"fine-tuned, {len(bench.plan.truth_subsets)} subsets"}
