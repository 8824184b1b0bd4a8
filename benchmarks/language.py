"""Language models: what the estimate of a pretrained encoder costs and how well it ranks, and the paper's table 1.

`OMP_NUM_THREADS=2 python -m benchmarks.language debian [--tasks 30] [--subsets 500] [--truth 60] [--layers 1] ...`:
MiniLM with low-rank adapters on the texts of Debian packages, from gradients alone at one base model.
`OMP_NUM_THREADS=2 python -m benchmarks.language rte --data train.tsv --templates a.yaml b.yaml [--templates-used 20]
[--pairs 400] ...`: recognising textual entailment, one task per prompt template, and how linear the model is.
Both keep their work in `--home`, so that a call can be interrupted and made again.
"""

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from platformdirs import user_cache_path

from benchmarks.accuracy_bench import ProgressLines
from benchmarks.report import publish
from gradtag_core.config import RunConfig, make_config
from gradtag_core.evaluation.comparison import Comparison
from gradtag_core.evaluation.linearisation import LinearisationTable
from gradtag_core.progress import Progress, Reporter
from gradtag_core.runs.files import UnitCache
from gradtag_core.runs.pipeline import Pipeline
from gradtag_core.runs.plan import make_plan
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.row import RunRow
from gradtag_core.runs.stages import ESTIMATE_STAGES
from gradtag_core.runs.units import Units
from gradtag_core.tasks.registry import load_suite
from gradtag_core.tasks.suite import TaskSuite

Record = dict[str, Any]


def main() -> None:
    """Run one of the two studies and print its tables."""
    options = _arguments().parse_args()
    suite = _debian(options) if options.study == "debian" else _rte(options)
    config = make_config(
        suite=suite.name, model="transformer", pretrained=options.pretrained, trained_layers=options.layers,
        max_tokens=options.max_tokens, n_inits=1, proxies_per_task=0, n_subsets=options.subsets,
        subset_size=options.subset_size, proj_dim=options.dim, truth=options.truth, epochs=options.epochs,
        base_epochs=options.base_epochs, learning_rate=options.learning_rate, batch_size=options.batch_size,
        l2=options.l2, train_groups=False, threads=options.threads, n_groups=options.groups,
    )  # fmt: skip
    with TemporaryDirectory(prefix="gradtag-") as folder:
        record, table = carry_out(config, suite, options.home, Path(folder), options.study == "rte")
        publish(costs(record), options.json)
        found = record.comparison()
        if found:
            publish(lines(found), options.json)
        if record.grouping:
            for number, members in enumerate(record.grouping.groups, start=1):
                print(
                    f"Group {number}: {', '.join(members)}", file=sys.stderr if options.json else sys.stdout
                )
    if table:
        publish([*_table_1(table)], options.json)
        print(table.verdict, file=sys.stderr if options.json else sys.stdout)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", choices=("debian", "rte"))
    parser.add_argument("--tasks", type=int, default=30, help="debian: its first tasks")
    parser.add_argument("--data", type=Path, help="rte: its train.tsv")
    parser.add_argument(
        "--templates", type=Path, nargs="+", default=(), help="rte: files of prompt templates"
    )
    parser.add_argument("--templates-used", type=int, default=20, help="rte: the first templates")
    parser.add_argument("--pairs", type=int, default=400, help="rte: pairs of sentences")
    parser.add_argument("--pretrained", help="a model in a folder (default: all-MiniLM-L6-v2)")
    parser.add_argument("--layers", type=int, default=1, help="last layers with adapters")
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--subsets", type=int, default=500)
    parser.add_argument("--subset-size", type=int, default=5)
    parser.add_argument("--groups", type=int)
    parser.add_argument("--truth", type=int, default=0, help="subsets trained for real, on two seeds")
    parser.add_argument("--dim", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--base-epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=0.003)
    parser.add_argument("--l2", type=float, default=1e-5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--home", type=Path, default=user_cache_path("gradtag") / "language")
    parser.add_argument("--json", action="store_true")
    return parser


def _debian(options: argparse.Namespace) -> TaskSuite:
    return load_suite("debian-text", options.tasks)


def _rte(options: argparse.Namespace) -> TaskSuite:
    from gradtag_core.tasks.instructions import instruction_suite
    from gradtag_core.tasks.suite import SplitRule

    suite = instruction_suite(
        options.data,
        list(options.templates),
        name="rte",
        split_rule=SplitRule(train=0.4),
        n_pairs=options.pairs,
    )
    return suite.select(min(options.templates_used, suite.n_tasks))


def carry_out(
    config: RunConfig, suite: TaskSuite, home: Path, folder: Path, is_linearised: bool
) -> tuple[RunRecord, LinearisationTable | None]:
    """The run's record in `folder`, from units kept in `home`, and table 1 at its base model."""
    from gradtag_core.evaluation.linearisation import linearisation_error
    from gradtag_core.models.device import limited_threads

    say, plan, record = ProgressLines(), make_plan(config, suite), RunRecord(folder)

    def tell(progress: Progress) -> None:
        say(progress)

    units = Units(plan, UnitCache(home), Reporter(tell), lambda stage, key: None)
    command = "benchmarks.language"
    row = RunRow("language", suite.name, suite.name, "running", config.model_dump(), command, time.time())
    with limited_threads(config.threads):
        Pipeline(plan, units, record, Reporter(tell)).run(row)
        if not is_linearised:
            return record, None
        base = units.base_model(config.init_seeds[0])
        chosen = plan.subsets[:: max(1, len(plan.subsets) // 5)][:5]
        recipe = units.recipe(config.epochs)
        return record, linearisation_error(units.trainer, base, chosen, recipe, reporter=Reporter(tell))


def costs(record: RunRecord) -> list[Record]:
    """Each stage, the estimate as a whole, and what training every subset for real would cost."""
    full = record.summary.full_training_flops
    spent = record.summary.costs
    estimate = sum(cost.flops for stage, cost in spent.items() if stage in ESTIMATE_STAGES)
    seconds = sum(cost.seconds for stage, cost in spent.items() if stage in ESTIMATE_STAGES)
    rows = [(stage, cost.flops, cost.seconds) for stage, cost in spent.items()]
    return [
        {"stage": stage, "TFLOPs": flops / 1e12, "of full training": f"{flops / full:.2%}", "seconds": took}
        for stage, flops, took in [*rows, ("estimate", estimate, seconds), ("full training", full, np.nan)]
    ]


def lines(found: Comparison) -> list[Record]:
    """The estimate and the reference lines against the truth."""
    return [
        {
            "line": name.replace("_", " "),
            "row Spearman": line.agreement.row_spearman,
            "± s.e.": line.agreement.row_spearman_standard_error,
            "of ceiling": "–" if line.row_spearman_fraction is None else f"{line.row_spearman_fraction:.2f}",
            "FLOPs of full training": f"{line.flops_ratio:.2%}",
        }
        for name, line in {"estimate": found.estimate, **found.lines}.items()
    ]


def _table_1(table: LinearisationTable) -> list[Record]:
    frame = table.table().rename(columns={"rss": "RSS", "missed": "missed change"})
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


if __name__ == "__main__":
    main()
