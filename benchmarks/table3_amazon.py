"""The paper's Amazon row (table 3): macro-F1 and cost of each method, the paper's figure beside ours.

`OMP_NUM_THREADS=1 python -m benchmarks.table3_amazon --edges FILE --communities FILE [--methods single_task,...]
[--seeds 3] [--epochs 6] [--cache FOLDER] [--store FOLDER] [--json]`.
The files are com-Amazon's as others have published it, 3,225 nodes and 100 communities. Every method at every seed is
kept in the cache, so that a call can be interrupted and made again. `--store` keeps the study as a sample: figures and
names of tasks, nothing of the graph.
"""

import argparse
import json
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from platformdirs import user_cache_path

from benchmarks.accuracy_bench import ProgressLines
from benchmarks.report import machine, publish
from benchmarks.table3_amazon_paper import PUBLISHED
from gradtag_core.config import METRICS
from gradtag_core.errors import GradTagError, InvalidInput
from gradtag_core.evaluation.pareto import MethodRecord
from gradtag_core.methods.protocol import MethodResult
from gradtag_core.progress import Progress
from gradtag_core.runs.command import option_name
from gradtag_core.runs.files import UnitCache
from gradtag_core.runs.row import KIND_FILES, RunRow, check_run_id
from gradtag_core.runs.study import Study
from gradtag_core.runs.study_plan import StudyPlan, make_study_plan
from gradtag_core.runs.study_record import StudyRecord
from gradtag_core.study_config import StudyConfig, make_study_config
from gradtag_core.tasks.community import community_suite
from gradtag_core.tasks.snap import read_communities, read_edges
from gradtag_core.tasks.suite import TaskSuite
from sample_data.build_results import keep

Record = dict[str, Any]

MODULE = "benchmarks.table3_amazon"
NAME = "com-Amazon, 100 communities: table 3 of the paper"
N_TASKS, HOPS, DIM = 100, 3, 128
SETTINGS: dict[str, Any] = {
    "methods": tuple(PUBLISHED), "seeds": 3, "width": 256, "epochs": 6, "learning_rate": 0.003, "batch_size": 8,
    "search_limit": 200.0,
}  # fmt: skip
COLUMNS = {
    "title": "method", "paper_f1": "paper F1, %", "f1": "our F1, %", "difference": "difference",
    "average_precision": "our AP, %", "paper_gigaflops": "paper GFLOPs", "gigaflops": "our GFLOPs",
    "seconds": "our s", "search": "search",
}  # fmt: skip
CHOICES = (
    "The paper leaves open, and we chose:",
    " - epochs, step size and batch size: those that on validation (one seed) suit naive multitask and single-task "
    "training together; every method has them.",
    " - the split: one random order of the nodes, by which 10 % of each class of each task train, 20 % validate and "
    "70 % test; tasks share their training nodes.",
    " - the threshold of F1: a logit of 0, for every method.",
    " - the score of an affinity: F1 on validation; 20 groups; subsets of 5 (the paper: 10).",
    " - features: the factorised logarithm of personalised PageRank between the 3,225 nodes, which VERSE approaches.",
    " - how clusters and vectors that no label has shaped become 100 classifiers: the best match on training nodes, or "
    "a logistic regression on them.",
    " - repeats among the 100 communities stay, as in the published list.",
    "The paper's ± is the standard deviation over three seeds; ours is the standard error.",
)


def amazon_suite(edges: Path, communities: Path, distinct: bool = False) -> TaskSuite:
    """The 100 largest communities with the paper's features (section 5.1.2, appendix C.1.1)."""
    pairs = read_edges(edges)
    return community_suite(
        pairs, read_communities(communities, pairs), N_TASKS, HOPS, DIM, distinct=distinct, name="amazon"
    )


class UnitClock:
    """How long each unit took when it was computed, kept beside it in the cache, so that a study knows its seconds
    however often it was interrupted."""

    def __init__(self, cache: UnitCache):
        self._cache, self._key, self._started = cache, "", 0.0
        self.seconds = 0.0

    def start(self, stage: str, key: str) -> None:
        """The unit before is done, and this one is looked up or computed."""
        self.finish()
        self._key, self._started = key, time.perf_counter()

    def finish(self) -> None:
        if not self._key:
            return
        taken = self._cache.get_json("seconds", self._key)
        if taken is None:
            taken = time.perf_counter() - self._started
            self._cache.put_json("seconds", self._key, taken)
        self.seconds += taken
        self._key = ""


def run_study(plan: StudyPlan, cache: UnitCache, row: RunRow, folder: Path) -> StudyRecord:
    """Carry out the study in `folder`."""
    lines, record, clock = ProgressLines(), StudyRecord(folder), UnitClock(cache)

    def report(progress: Progress, fraction: float, left: float | None) -> None:
        lines(replace(progress, seconds_left=left))

    Study(plan, cache, record, report, on_unit=clock.start).run(row)
    clock.finish()
    record.write_seconds(clock.seconds)
    return record


def compared(study: StudyRecord) -> list[Record]:
    """A record per method in the order of the table, ours without a figure in the paper last; percentages of F1."""
    records = {record.method: record for record in study.records("f1")}
    order = [*PUBLISHED, *(name for name in records if name not in PUBLISHED)]
    return [_compared(records[name], study.results[name]) for name in order if name in records]


def _compared(record: MethodRecord, results: Mapping[int, MethodResult]) -> Record:
    published = PUBLISHED.get(record.method)
    f1 = 100 * (1 - record.error)
    precision = [result.test[:, METRICS.index("average_precision")].mean() for result in results.values()]
    return {
        "method": record.method,
        "title": record.title,
        "paper_f1": published and published.f1,
        "paper_f1_deviation": published and published.deviation,
        "f1": f1,
        "f1_standard_error": None if record.error_se is None else 100 * record.error_se,
        "difference": published and f1 - published.f1,
        "average_precision": 100 * float(sum(precision)) / len(precision),
        "paper_gigaflops": published and published.gigaflops,
        "gigaflops": record.flops / 1e9,
        "paper_gpu_hours": published and published.gpu_hours,
        "seconds": record.seconds,
        "search": "estimated" if record.estimated else "measured",
        "sample": record.sample,
        "n_seeds": record.n_seeds,
    }


def shown(record: Record) -> dict[str, str]:
    """The cells of the printed table."""
    cells = {
        **record,
        "paper_f1": _with_error(record["paper_f1"], record["paper_f1_deviation"]),
        "f1": _with_error(record["f1"], record["f1_standard_error"]),
        "difference": None if record["difference"] is None else f"{record['difference']:+.1f}",
        "average_precision": f"{record['average_precision']:.1f}",
        **{
            name: record[name] and f"{record[name]:.3g}"
            for name in ("paper_gigaflops", "gigaflops", "seconds")
        },
    }
    return {title: "–" if cells[name] is None else cells[name] for name, title in COLUMNS.items()}


def _with_error(value: float | None, error: float | None) -> str | None:
    if value is None:
        return None
    return f"{value:.2f}" if error is None else f"{value:.2f} ± {error:.2f}"


def missing(study: StudyRecord) -> list[str]:
    """A sentence for each method of the paper's table that the study does not have."""
    summary = study.summary
    reasons = {**summary.left_out, **summary.failed}
    return [
        f"Left out: {name}: {reasons.get(name, 'not among `--methods`.')}"
        for name in PUBLISHED
        if name not in study.results
    ]


def command_line(config: StudyConfig, given: argparse.Namespace) -> str:
    """The command that makes the study again, without the places of files."""
    words = ["python", "-m", MODULE, "--edges", "FILE", "--communities", "FILE"]
    for name, default in SETTINGS.items():
        value = getattr(config, name)
        if value != default:
            words += [option_name(name), ",".join(value) if isinstance(value, tuple) else str(value)]
    words += ["--distinct"] if given.distinct else []
    return shlex.join([*words, *(["--store", "FOLDER"] if given.store is not None else [])])


def check_store(place: Path) -> None:
    """Refuse a folder that is not ours to replace, and a name that cannot be part of an id."""
    check_run_id(f"sample-study-{place.name}")
    if place.exists() and not (place / KIND_FILES["study"]).is_file():
        raise InvalidInput(
            f"`--store` must be a new folder or one that holds a study, which is replaced; found `{place}`, which "
            f"holds none."
        )


def options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--edges", type=Path, required=True, metavar="FILE", help="an edge list as SNAP has it"
    )
    parser.add_argument(
        "--communities", type=Path, required=True, metavar="FILE", help="the members of one community a line"
    )
    parser.add_argument(
        "--methods",
        help="names with commas between (those of the paper); the references are always among them",
    )
    for name, meaning in (("seeds", "how often each method runs"), ("epochs", "passes over the training nodes"),
                          ("batch_size", "nodes in a step"), ("width", "neurons of each layer")):  # fmt: skip
        parser.add_argument(option_name(name), type=int, help=f"{meaning} ({SETTINGS[name]})")
    for name, meaning in (("learning_rate", "Adam's step size"),
                          ("search_limit", "FLOPs of one search, in naive multitask trainings; a dearer one trains "
                                           "a sample and is marked as estimated")):  # fmt: skip
        parser.add_argument(option_name(name), type=float, help=f"{meaning} ({SETTINGS[name]})")
    parser.add_argument("--distinct", action="store_true", help="leave out repeats of communities")
    parser.add_argument("--cache", type=Path, help="where what is finished is kept")
    parser.add_argument("--store", type=Path, metavar="FOLDER", help="keep the study as a sample there")
    parser.add_argument("--json", action="store_true", help="a list of records on standard output")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    given = options(arguments)
    with TemporaryDirectory(prefix="table3-") as folder:
        try:
            study = studied(given, Path(folder) / "study")
        except GradTagError as error:
            sys.exit(str(error))
        records = compared(study)
        left_out = missing(study)
    if given.json:
        print(json.dumps(records, indent=2))
        print(json.dumps(machine()), file=sys.stderr)
        return
    publish([shown(record) for record in records], as_json=False)
    samples = [f"{record['title']}: {record['sample']}" for record in records if record["sample"]]
    print("\n".join([*left_out, *samples, *CHOICES]))


def studied(given: argparse.Namespace, folder: Path) -> StudyRecord:
    """Carry out in `folder` the study that the options ask for, and keep it where they say."""
    if given.store is not None:
        check_store(given.store)
    chosen = {name: getattr(given, name) for name in SETTINGS if getattr(given, name) is not None}
    config = make_study_config(**{**SETTINGS, **chosen}, suite="amazon", metric="f1")
    plan = make_study_plan(config, amazon_suite(given.edges, given.communities, given.distinct))
    row = RunRow(
        "table3-amazon", NAME, "amazon", "running", config.model_dump(), command_line(config, given), time.time(),
        kind="study",
    )  # fmt: skip
    folder.mkdir()  # a temporary folder itself is closed to others, and what is kept has its mode
    record = run_study(plan, UnitCache(given.cache or user_cache_path("gradtag") / "table3"), row, folder)
    if given.store is not None:
        keep(folder, given.store)
    return record


if __name__ == "__main__":
    main()
