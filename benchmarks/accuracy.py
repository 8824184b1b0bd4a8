"""How well each estimator ranks co-tasks, judged by real training on two seeds, beside the reference lines.

`OMP_NUM_THREADS=1 python -m benchmarks.accuracy [--suite debian] [--tasks 30] [--subsets 2000] [--size 5]
[--truth 2000] [--truth-kind scratch|finetuned] [--studies core,inits,...|all] [--metric auc] [--epochs 10]
[--data ../shared/data] [--cache DIR] [--threads 1] [--json]`.
Finished units are kept in a cache, so that a second call is quick and one that was interrupted goes on.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from math import comb
from pathlib import Path
from typing import get_args

from platformdirs import user_cache_path

from benchmarks.accuracy_bench import Bench, ProgressLines, Record
from benchmarks.accuracy_core import core
from benchmarks.accuracy_parts import parts
from benchmarks.accuracy_scoring import scoring, seeds
from benchmarks.accuracy_suites import load
from benchmarks.accuracy_sweeps import hints, inits, l2, offset, projection, proxies, stopping
from benchmarks.accuracy_trainings import TruthKind
from benchmarks.report import machine, publish
from gradtag_core.config import METRICS, make_config
from gradtag_core.models.device import limited_threads
from gradtag_core.progress import Reporter
from gradtag_core.runs.files import UnitCache

STUDIES: dict[str, Callable[[Bench], Iterator[Record]]] = {
    "core": core, "projection": projection, "inits": inits, "stopping": stopping, "l2": l2, "offset": offset,
    "scoring": scoring, "seeds": seeds, "parts": parts, "proxies": proxies, "hints": hints,
}  # fmt: skip
SHOWN = (
    "study", "estimator", "row_spearman", "row_spearman_standard_error", "row_spearman_fraction", "column_spearman",
    "distance", "distance_squared", "flops_ratio", "seconds",
)  # fmt: skip


def make_bench(options: argparse.Namespace) -> Bench:
    """The bench that the options ask for; at most as many subsets as there are, and no larger than the suite."""
    suite = load(options.suite, options.data, options.tasks)
    size = min(options.size, suite.n_tasks - 1)
    n_subsets = min(options.subsets, comb(suite.n_tasks, size))
    epochs = {"epochs": options.epochs, "base_epochs": max(1, options.epochs // 2)} if options.epochs else {}
    config = make_config(
        None, suite=options.suite, n_tasks=suite.n_tasks, n_subsets=n_subsets, subset_size=size,
        truth=min(options.truth or n_subsets, n_subsets), train_groups=False, **epochs,
    )  # fmt: skip
    cache = UnitCache(options.cache or user_cache_path("gradtag") / "accuracy")
    return Bench(config, suite, cache, options.metric, options.truth_kind, Reporter(ProgressLines()))


def run_studies(bench: Bench, names: list[str]) -> list[Record]:
    return [record for name in names for record in STUDIES[name](bench)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--suite", default="debian", help="one that ships, or amazon or facebook")
    parser.add_argument("--tasks", type=int, default=30, help="the first tasks of the suite")
    parser.add_argument(
        "--subsets", type=int, default=2000, help="m, the subsets whose training is estimated"
    )
    parser.add_argument("--size", type=int, default=5, help="tasks in each subset")
    parser.add_argument("--truth", type=int, help="how many of them are really trained, on two seeds (all)")
    parser.add_argument("--truth-kind", choices=get_args(TruthKind), default="scratch")
    parser.add_argument("--studies", default="core", help=f"all, or some of {', '.join(STUDIES)}")
    parser.add_argument("--metric", choices=METRICS, default="auc")
    parser.add_argument("--epochs", type=int, help="of a real training; a base model takes half as many (10)")
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data"), help="where amazon and facebook lie"
    )
    parser.add_argument("--cache", type=Path, help="where finished units are kept")
    parser.add_argument("--threads", type=int, default=1, help="each trains a block of subsets of its own")
    parser.add_argument("--json", action="store_true", help="a list of records on standard output")
    options = parser.parse_args()
    names = list(STUDIES) if options.studies == "all" else options.studies.split(",")
    if unknown := [name for name in names if name not in STUDIES]:
        parser.error(f"--studies must be among {', '.join(STUDIES)}; found {', '.join(unknown)}")
    with limited_threads(options.threads):
        records = run_studies(make_bench(options), names)
    if options.json:
        print(json.dumps(records, indent=2))
        print(json.dumps(machine()), file=sys.stderr)
    else:
        publish([{name: record[name] for name in SHOWN} for record in records], as_json=False)


if __name__ == "__main__":
    main()
