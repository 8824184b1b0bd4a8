"""The ablations of Grad-TAG's section 5.3.4 and table 2, and of Principled Task Grouping, as one command.

`OMP_NUM_THREADS=1 python -m benchmarks.ablations [--suite debian] [--n-tasks 30]
[--studies groups,subsets,size,clustering,inits,dimension,ptg] [--seeds 3] [--metric auc] [--epochs 10]
[--cache DIR] [--full] [--json]`.
Errors are one minus the mean test score (or the log loss) of models trained on the groups; each follows `±` its
standard error over seeds. Finished units are kept in a cache, so that a second call is quick. The default took 13
minutes of processor time on a busy machine; `--full` is estimated at 40.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.ablations_bench import FULL, Ablation, Extent
from benchmarks.ablations_ptg import ptg
from benchmarks.ablations_studies import clustering, dimension, groups, inits, reference, size, subsets
from benchmarks.accuracy_bench import ProgressLines, Record
from benchmarks.report import machine
from gradtag_core.config import METRICS, make_config
from gradtag_core.errors import GradTagError, InvalidInput
from gradtag_core.models.device import limited_threads
from gradtag_core.progress import Reporter
from gradtag_core.runs.files import UnitCache
from gradtag_core.tasks.registry import load_suite, suite_info

STUDIES: dict[str, Callable[[Ablation], Iterator[Record]]] = {
    "groups": groups, "subsets": subsets, "size": size, "clustering": clustering, "inits": inits,
    "dimension": dimension, "ptg": ptg,
}  # fmt: skip
JUDGED_BY_TRUTH = ("subsets", "size", "inits", "dimension")
USUAL_TASKS = 30
SUBSET_SIZE = 5
COLUMNS = {
    "setting": "setting", "value": "value", "variant": "variant", "error": "test error", "error_ratio": "/ naive's",
    "row_spearman": "row Spearman", "row_spearman_fraction": "of ceiling", "density": "density", "gap": "gap",
    "n_groups": "groups", "adjusted_rand_index": "adj. Rand index", "n_subsets": "subsets",
    "flops_ratio": "of truth's FLOPs", "flops": "GFLOPs", "seconds": "s", "training_flops": "training GFLOPs",
}  # fmt: skip


def make_ablation(options: argparse.Namespace, cache: UnitCache) -> Ablation:
    """The ablation that the options ask for; raises `InvalidInput` where they break a rule."""
    usual = min(USUAL_TASKS, suite_info(options.suite).n_tasks)
    n_tasks = usual if options.n_tasks is None else options.n_tasks
    suite = load_suite(options.suite, n_tasks)
    base_epochs = None if options.epochs is None else max(1, options.epochs // 2)
    config = make_config(
        None, suite=options.suite, n_tasks=n_tasks, metric=options.metric, train_groups=False,
        subset_size=min(SUBSET_SIZE, max(2, n_tasks - 1)), epochs=options.epochs, base_epochs=base_epochs,
    )  # fmt: skip
    extent = FULL if options.full else Extent()
    if options.seeds is not None:
        if not 1 <= options.seeds <= 80:
            raise InvalidInput(f"`--seeds` must be between 1 and 80; found {options.seeds}.")
        extent = replace(extent, seeds=options.seeds)
    return Ablation(config, suite, cache, extent, Reporter(ProgressLines()))


def run_studies(ablation: Ablation, names: Sequence[str]) -> list[Record]:
    """The records of the studies, after those of the reference lines where a study is judged by the truth."""
    first = [reference] if set(names) & set(JUDGED_BY_TRUTH) else []
    return [record for study in [*first, *(STUDIES[name] for name in names)] for record in study(ablation)]


def table(records: Sequence[Record]) -> str:
    """One study as a table of plain text; columns that no record fills are left out."""
    shown = [
        name
        for name in COLUMNS
        if any(record.get(name) not in (None, "") for record in records) and not _all_zero(records, name)
    ]
    rows = [
        [COLUMNS[name] for name in shown],
        *([_cell(record, name) for name in shown] for record in records),
    ]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(shown), *lines[1:]])


def _all_zero(records: Sequence[Record], name: str) -> bool:
    return all(record.get(name) in (None, 0.0) for record in records)


def _cell(record: Record, name: str) -> str:
    value, error = record.get(name), record.get(f"{name}_se")
    if value is None:
        return ""
    if name in ("flops", "training_flops"):
        return f"{value / 1e9:.3g}"
    if name == "density":
        return f"{value:.5g}"
    if name == "flops_ratio":
        return f"{value:.2%}"
    if name in ("error", "error_ratio", "row_spearman", "gap", "adjusted_rand_index"):
        digits = 4 if name == "error" else 3
        return f"{value:.{digits}f}" + ("" if error is None else f" ± {error:.{digits}f}")
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def show(records: Sequence[Record]) -> None:
    for study in dict.fromkeys(record["study"] for record in records):
        own = [record for record in records if record["study"] == study]
        for suite in dict.fromkeys((record["suite"], record["n_tasks"]) for record in own):
            part = [record for record in own if (record["suite"], record["n_tasks"]) == suite]
            print(f"\n{study}: {suite[0]}, {suite[1]} tasks, {part[0]['seeds']} seeds, {part[0]['metric']}\n")
            print(table(part))
    print("\n" + ", ".join(f"{name}: {value}" for name, value in machine().items()))


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--suite", default="debian", help="a suite that ships with the project")
    parser.add_argument("--n-tasks", type=int, help=f"the first tasks of the suite ({USUAL_TASKS}, or all)")
    parser.add_argument("--studies", default=",".join(STUDIES), help=f"some of {', '.join(STUDIES)}")
    parser.add_argument("--seeds", type=int, help="of estimates and of the models that are judged (3)")
    parser.add_argument("--metric", choices=METRICS, default="auc")
    parser.add_argument("--epochs", type=int, help="of a real training; a base model takes half as many (10)")
    parser.add_argument("--cache", type=Path, help="where finished units are kept (a temporary folder)")
    parser.add_argument(
        "--full",
        action="store_true",
        help="more settings, five seeds, and 130 tasks where there are to be many",
    )
    parser.add_argument("--json", action="store_true", help="a list of records on standard output")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser()
    options = parser.parse_args(arguments)
    names = list(dict.fromkeys(options.studies.split(",")))
    if unknown := [name for name in names if name not in STUDIES]:
        parser.error(f"`--studies` must be among {', '.join(STUDIES)}; found {', '.join(unknown)}.")
    with limited_threads(1), TemporaryDirectory(prefix="ablations-") as temporary:
        try:
            ablation = make_ablation(options, UnitCache(options.cache or Path(temporary)))
            records = run_studies(ablation, names)
        except GradTagError as error:
            parser.error(str(error))
    if options.json:
        print(json.dumps(records, indent=2))
        print(json.dumps(machine()), file=sys.stderr)
    else:
        show(records)


if __name__ == "__main__":
    main()
