"""Which settings of the estimator rank co-tasks best, judged by real training on two seeds.

`python -m benchmarks.settings [--suite debian] [--n-tasks 30] [--truth 300] [--json]`; finished units stay in the run
store, so a second call is quick.
"""

import argparse
from typing import Any

from benchmarks.report import publish
from gradtag_core.affinity.matrix import average
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.config import Metric, RunConfig, make_config
from gradtag_core.evaluation.agreement import agreement, noise_ceiling
from gradtag_core.models.device import limited_threads
from gradtag_core.progress import Reporter
from gradtag_core.runs.start import load_plan, open_store, run
from gradtag_core.runs.units import Units

METRICS: tuple[Metric, ...] = ("average_precision", "auc", "loss", "f1")
VARIATIONS: list[dict[str, Any]] = [
    {},
    *({"base_epochs": epochs} for epochs in (2, 3, 10, 20)),
    *({"l2": l2} for l2 in (1e-2, 1e-3, 1e-4, 1e-6)),
    *({"n_inits": n_inits} for n_inits in (1, 8)),
    *({"proj_dim": dim} for dim in (50, 400)),
    {"projection": "rademacher"},
]


def estimate(config: RunConfig) -> tuple[SubsetScores, float]:
    """The estimated scores of a configuration, and the FLOPs of its features, from the cache where known."""
    units = Units(load_plan(config), open_store().cache, Reporter(), lambda stage, key: None)
    scores = units.estimated(config.init_seeds[0])
    for seed in config.init_seeds[1:]:
        scores = scores.join(units.estimated(seed))
    return scores, sum(units.features_facts(seed)[0].flops for seed in config.init_seeds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="debian")
    parser.add_argument("--n-tasks", type=int, default=30)
    parser.add_argument("--n-subsets", type=int, default=300)
    parser.add_argument("--subset-size", type=int, default=5)
    parser.add_argument("--truth", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    options = vars(parser.parse_args())
    as_json = options.pop("json")
    config = make_config(None, train_groups=False, threads=1, **options)
    trained = run(config).trained
    if trained is None:
        parser.error("--truth must be above 0")
    truth = {metric: average(trained, metric).values for metric in METRICS}
    records: list[dict[str, Any]] = []
    with limited_threads(1):
        for variation in VARIATIONS:
            scores, features_flops = estimate(config.model_copy(update=variation))
            scores = scores.of_subsets(trained.subsets)
            found = {
                metric: agreement(average(scores, metric).values, truth[metric]).row_spearman
                for metric in METRICS
            }
            setting = ", ".join(f"{name} = {value}" for name, value in variation.items()) or "default"
            records.append({"setting": setting, **found, "features GFLOPs": features_flops / 1e9})
    ceilings = {
        metric: noise_ceiling([average(trained.of_seed_only(seed), metric).values for seed in trained.seeds])[
            1
        ]
        for metric in METRICS
    }
    publish([*records, {"setting": "noise ceiling", **ceilings, "features GFLOPs": None}], as_json)


if __name__ == "__main__":
    main()
