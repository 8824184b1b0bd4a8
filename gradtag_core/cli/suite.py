"""`suite add`, `suite show` and `suite remove`: data sets of the user's own."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradtag_core.cli.options import AsJson
from gradtag_core.cli.printing import print_json, print_table
from gradtag_core.errors import InvalidInput, quoted

if TYPE_CHECKING:
    from gradtag_core.tasks.suite import TaskSuite

SPLITS = ("train", "validation", "test")
NOT_OPTIONS = ("name", "title", "description", "as_json")
OPTIONS = {
    "graph": ("communities", "labels_file", "features", "tasks", "hops", "dim", "all_nodes"),
    "tabular": ("labels", "features"),
    "text": ("text_column", "labels"),
    "instructions": ("templates", "labels", "pairs"),
}
"""The sources of a data set, each with the options that go with it beside those that all have."""
NEEDED = {"tabular": ("labels",), "text": ("text_column", "labels"), "instructions": ("templates",)}
FILES = (*OPTIONS, "communities", "labels_file", "templates")
SHOWN_TEXTS = 3

app = typer.Typer(help="Data sets of your own: add, show and remove them.")
Name = Annotated[str, typer.Argument(help="Lower-case letters and digits, with hyphens between them.")]


@app.command()
def add(
    name: Name,
    tabular: Annotated[Path | None, typer.Option(help="A table: CSV or parquet.")] = None,
    labels: Annotated[str | None, typer.Option(
        metavar="A,B,…", help="Columns of the table, each a task: 0/1, false/true, no/yes, or empty; NAME:multiclass "
        "for one of classes, NAME:regression for one of numbers. Of instructions: the label where the answer is no, "
        "and that where it is yes.")] = None,
    text: Annotated[Path | None, typer.Option(help="Texts with labels: CSV or parquet.")] = None,
    text_column: Annotated[str | None, typer.Option(help="The column that holds the texts.")] = None,
    instructions: Annotated[Path | None, typer.Option(
        help="Pairs of texts with a label, as RTE: index, sentence1, sentence2, label (tsv, CSV, parquet).")] = None,
    templates: Annotated[list[Path] | None, typer.Option(
        help="Prompts for the pairs, each a task: YAML, also of PromptSource. May be given again.")] = None,
    pairs: Annotated[int | None, typer.Option(help="Pairs to draw. Default: all.")] = None,
    graph: Annotated[Path | None, typer.Option(
        help="A graph: a SNAP edge list, or an adjacency matrix (npz, mat).")] = None,
    communities: Annotated[Path | None, typer.Option(help="A SNAP file: the members of a community a line.")] = None,
    labels_file: Annotated[Path | None, typer.Option(
        help="A 0/1 matrix (npz, npy, mat): a row per node, a column per task.")] = None,
    features: Annotated[str | None, typer.Option(
        metavar="A,B,…|ppr|svd|FILE",
        help="Columns of the table (default: all others); or of a graph's nodes: made by ppr (default) or svd, or a "
        "file with a row per node (npz, npy, mat, CSV, parquet).")] = None,
    tasks: Annotated[int | None, typer.Option(help="The largest communities or labels to keep. Default: 100.")] = None,
    hops: Annotated[int | None, typer.Option(help="Hops over which features are averaged. Default: 3.")] = None,
    dim: Annotated[int | None, typer.Option(help="Columns of the features that are made. Default: 128.")] = None,
    all_nodes: Annotated[bool | None, typer.Option(
        "--all-nodes/--members-only",
        help="Whether nodes without any task are examples. Default: not with communities.")] = None,
    train: Annotated[float, typer.Option(help="Share of each class that trains.")] = 0.1,
    validation: Annotated[float, typer.Option(help="Share of each class that validates; the rest tests.")] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the splits, and of features that are made.")] = 0,
    title: Annotated[str | None, typer.Option(help="What to call it in lists.")] = None,
    description: Annotated[str | None, typer.Option(help="One sentence about it.")] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Add a data set from a table, a graph or texts; `run --suite NAME` then takes it like any other."""
    given = {key: value for key, value in locals().items() if value is not None and value != []}
    from gradtag_core.runs.suites import add_suite, require_free_name

    source = _source(given)
    require_free_name(name)
    read = {
        "tabular": _from_table,
        "graph": _from_graph,
        "text": _from_texts,
        "instructions": _from_instructions,
    }
    suite = read[source](given)
    facts = add_suite(
        suite,
        origin=_origin(given),
        title=title,
        description=_about(source, given[source]) if description is None else description,
        options={key: _plain(given, key) for key in given if key not in NOT_OPTIONS},
    )
    if as_json:
        print_json(facts.model_dump())
    else:
        print(f"{name}: {facts.n_tasks} tasks over {facts.n_examples:,} examples. Use it: run --suite {name}")


@app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show the tasks of a data set, with the classes in each split, and what to beware of."""
    from dataclasses import asdict

    from gradtag_core.evaluation.task_facts import task_facts
    from gradtag_core.tasks.registry import load_suite, suite_info

    info, suite = suite_info(name), load_suite(name)
    facts = task_facts(suite)
    counts = [_counts(suite, task) for task in range(suite.n_tasks)]
    texts = suite.inputs[:SHOWN_TEXTS].tolist() if suite.modality == "text" else []
    if as_json:
        shown = {**asdict(info), "fingerprint": suite.fingerprint, "tasks": counts}
        told = {"texts": texts, "choices": suite.choices} if texts else {}
        print_json({**shown, **told, "warnings": facts.warnings})
        return
    print(
        f"{info.name}: {info.title}\n{info.description}\norigin: {info.origin}\nfingerprint: {suite.fingerprint}"
    )
    inputs = " × ".join(f"{side:,}" for side in suite.inputs.shape[1:])
    what = f"of {inputs} numbers" if inputs else "of text"
    print(
        f"{suite.n_tasks} tasks over {suite.n_examples:,} examples {what}; binary ones: positive + negative"
    )
    rows = [
        (
            each["name"],
            each["kind"],
            *(_split_text(each[split]) for split in SPLITS),
            f"{each['unlabelled']:,}",
        )
        for each in counts
    ]
    print_table(("Task", "Kind", "Train", "Validation", "Test", "Unlabelled"), rows)
    for text in texts:
        print(f"Text: {' '.join(text.split())[:200]}")
    for warning in facts.warnings:
        print(f"Warning: {warning}")


@app.command()
def remove(name: Name, as_json: AsJson = False) -> None:
    """Remove a data set of your own; runs of it keep their results."""
    from gradtag_core.runs.start import open_store
    from gradtag_core.runs.suites import remove_unused_suite

    runs = remove_unused_suite(open_store(), name)
    if as_json:
        print_json({"removed": name, "runs": [row.id for row in runs]})
        return
    print(f"{name} is removed.")
    if runs:
        print(f"Results stay, but these cannot be resumed without it: {', '.join(row.id for row in runs)}")


def _source(given: dict[str, Any]) -> str:
    """Which source is given; every option must go with it."""
    found = [source for source in OPTIONS if source in given]
    if len(found) != 1:
        told = " and ".join(f"`--{source}`" for source in found) or "none"
        raise InvalidInput(
            f"Exactly one source must be given, `--graph`, `--tabular`, `--text` or `--instructions`; found {told}."
        )
    (source,) = found
    missing = [name for name in NEEDED.get(source, ()) if name not in given]
    if missing:
        raise InvalidInput(f"`--{source}` needs {_flags(missing)}.")
    own = OPTIONS[source]
    foreign = dict.fromkeys(
        name for names in OPTIONS.values() for name in names if name in given and name not in own
    )
    if foreign:
        raise InvalidInput(f"{_flags([*foreign])} must not stand beside `--{source}`.")
    return source


def _flags(names: list[str]) -> str:
    return quoted([f"--{name.replace('_', '-')}" for name in names])


def _origin(given: dict[str, Any]) -> list[Path]:
    files = [given[key] for key in FILES if key in given] + [_feature_file(given)]
    return [path for file in files if file for path in (file if isinstance(file, list) else [file])]


def _from_table(given: dict[str, Any]) -> TaskSuite:
    from gradtag_core.tasks.label_columns import with_kinds
    from gradtag_core.tasks.table_file import read_table
    from gradtag_core.tasks.tabular import tabular_suite

    features = _columns(given["features"]) if "features" in given else None
    names = _columns(given["labels"])
    table = read_table(given["tabular"])
    labels, kinds = with_kinds(table, names)
    return tabular_suite(
        table, labels, features, name=given["name"], split_rule=_rule(given), seed=given["seed"], kinds=kinds
    )


def _from_texts(given: dict[str, Any]) -> TaskSuite:
    from gradtag_core.tasks.label_columns import with_kinds
    from gradtag_core.tasks.table_file import read_table
    from gradtag_core.tasks.text_table import text_suite

    names = _columns(given["labels"])
    table = read_table(given["text"])
    labels, kinds = with_kinds(table, names)
    return text_suite(
        table, given["text_column"], labels, name=given["name"], split_rule=_rule(given), seed=given["seed"],
        kinds=kinds,
    )  # fmt: skip


def _from_instructions(given: dict[str, Any]) -> TaskSuite:
    from gradtag_core.tasks.instructions import instruction_suite

    labels = _columns(given["labels"]) if "labels" in given else None
    return instruction_suite(
        given["instructions"], given["templates"], name=given["name"], labels=labels, split_rule=_rule(given),
        seed=given["seed"], n_pairs=given.get("pairs"),
    )  # fmt: skip


def _from_graph(given: dict[str, Any]) -> TaskSuite:
    from gradtag_core.tasks.graph_files import graph_suite_from_files

    chosen = {name: given[name] for name in ("communities", "features", "hops", "dim") if name in given}
    if "all_nodes" in given:
        chosen["members_only"] = not given["all_nodes"]
    if "tasks" in given:
        chosen["n_tasks"] = given["tasks"]
    return graph_suite_from_files(
        given["graph"], labels=given.get("labels_file"), name=given["name"], split_rule=_rule(given),
        seed=given["seed"], **chosen,
    )  # fmt: skip


def _rule(given: dict[str, Any]) -> Any:
    from gradtag_core.tasks.suite import SplitRule

    return SplitRule(given["train"], given["validation"])


def _columns(text: str) -> list[str]:
    """Names between commas; one that holds a comma stands in double quotes, as in CSV."""
    try:
        return [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]
    except csv.Error as error:
        raise InvalidInput(
            f"Names of columns must stand between commas, on one line; found {text[:40]!r}."
        ) from error


def _feature_file(given: dict[str, Any]) -> Path | None:
    made = "graph" not in given or given.get("features", "ppr") in ("ppr", "svd")
    return None if made else Path(given["features"])


def _about(source: str, file: Path) -> str:
    return {
        "tabular": f"Rows of {file.name}; each task is to predict one of its columns.",
        "graph": f"Nodes of {file.name}; each task is to find those of one community or label.",
        "text": f"Texts of {file.name}; each task is to predict one of its columns.",
        "instructions": f"Pairs of texts of {file.name}; each task is to answer one prompt about them.",
    }[source]


def _plain(given: dict[str, Any], key: str) -> Any:
    """The value of an option as JSON, files without their folders."""
    value = (_feature_file(given) if key == "features" else None) or given[key]
    if isinstance(value, list):
        return [path.name for path in value]
    return value.name if isinstance(value, Path) else value


def _counts(suite: TaskSuite, task: int) -> dict[str, Any]:
    kind = suite.kinds[task]
    counts: dict[str, Any] = {"name": suite.task_names[task], "kind": kind}
    for split in SPLITS:
        labels = suite.labels[suite.indices(split, task), task]
        positive = int((labels == 1).sum())
        binary = {"positive": positive, "negative": len(labels) - positive}
        counts[split] = binary if kind == "binary" else {"examples": len(labels)}
    return counts | {"unlabelled": int((~suite.labelled[:, task]).sum())}


def _split_text(counts: dict[str, int]) -> str:
    return " + ".join(f"{count:,}" for count in counts.values())
