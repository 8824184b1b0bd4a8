"""`suite add`, `suite show` and `suite remove`: data sets of the user's own."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradtag_core.cli.options import AsJson
from gradtag_core.cli.printing import print_json, print_table
from gradtag_core.errors import InvalidInput, StoreError, quoted

if TYPE_CHECKING:
    from gradtag_core.tasks.suite import TaskSuite

SPLITS = ("train", "validation", "test")
NOT_OPTIONS = ("name", "title", "description", "as_json")
GRAPH_ONLY = ("communities", "labels_file", "tasks", "hops", "dim", "all_nodes")

app = typer.Typer(help="Data sets of your own: add, show and remove them.")
Name = Annotated[str, typer.Argument(help="Lower-case letters and digits, with hyphens between them.")]


@app.command()
def add(
    name: Name,
    tabular: Annotated[Path | None, typer.Option(help="A table: CSV or parquet.")] = None,
    labels: Annotated[str | None, typer.Option(
        metavar="A,B,…", help="Columns of the table, each a task: 0/1, false/true, no/yes, or empty.")] = None,
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
    """Add a data set from a table or from a graph; `run --suite NAME` then takes it like any other."""
    given = {key: value for key, value in locals().items() if value is not None}
    from gradtag_core.runs.suites import add_suite, require_free_name

    _require_one_source(given)
    require_free_name(name)
    suite = _from_table(given) if tabular else _from_graph(given)
    facts = add_suite(
        suite,
        origin=[given[key] for key in ("tabular", "graph", "communities", "labels_file") if key in given]
        + [path for path in [_feature_file(given)] if path],
        title=title,
        description=_about(given) if description is None else description,
        options={key: _plain(given, key) for key in given if key not in NOT_OPTIONS},
    )
    if as_json:
        print_json(facts.model_dump())
    else:
        print(f"{name}: {facts.n_tasks} tasks over {facts.n_examples:,} examples. Use it: run --suite {name}")


@app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show the tasks of a data set, with the positives and negatives of each split."""
    from dataclasses import asdict

    from gradtag_core.tasks.registry import load_suite, suite_info

    info, suite = suite_info(name), load_suite(name)
    counts = [_counts(suite, task) for task in range(suite.n_tasks)]
    if as_json:
        print_json({**asdict(info), "fingerprint": suite.fingerprint, "tasks": counts})
        return
    print(
        f"{info.name}: {info.title}\n{info.description}\norigin: {info.origin}\nfingerprint: {suite.fingerprint}"
    )
    inputs = " × ".join(f"{side:,}" for side in suite.inputs.shape[1:])
    print(
        f"{suite.n_tasks} tasks over {suite.n_examples:,} examples of {inputs} numbers; positive + negative:"
    )
    rows = [
        (
            each["name"],
            *(f"{each[split]['positive']:,} + {each[split]['negative']:,}" for split in SPLITS),
            f"{each['unlabelled']:,}",
        )
        for each in counts
    ]
    print_table(("Task", "Train", "Validation", "Test", "Unlabelled"), rows)


@app.command()
def remove(name: Name, as_json: AsJson = False) -> None:
    """Remove a data set of your own; runs of it keep their results."""
    from gradtag_core.runs.row import OPEN
    from gradtag_core.runs.start import open_store
    from gradtag_core.runs.suites import remove_suite

    runs = [row for row in open_store().list() if row.suite == name and not row.sample]
    active = tuple(row.id for row in runs if row.state in OPEN)
    if active:
        raise StoreError(f"`{name}` is in use by {quoted(active)}: wait, or cancel before removing it.")
    remove_suite(name)
    if as_json:
        print_json({"removed": name, "runs": [row.id for row in runs]})
        return
    print(f"{name} is removed.")
    if runs:
        print(f"Results stay, but these cannot be resumed without it: {', '.join(row.id for row in runs)}")


def _require_one_source(given: dict[str, Any]) -> None:
    if ("tabular" in given) == ("graph" in given):
        found = "found both" if "tabular" in given else "found neither"
        raise InvalidInput(f"Exactly one source must be given, `--tabular` or `--graph`; {found}.")
    if "tabular" in given and "labels" not in given:
        raise InvalidInput("`--tabular` needs `--labels`, the columns that are tasks.")
    foreign = [name for name in (GRAPH_ONLY if "tabular" in given else ("labels",)) if name in given]
    if foreign:
        options = quoted([f"--{name.replace('_', '-')}" for name in foreign])
        raise InvalidInput(
            f"{options} must not stand beside `--{'tabular' if 'tabular' in given else 'graph'}`."
        )


def _from_table(given: dict[str, Any]) -> TaskSuite:
    from gradtag_core.tasks.tabular import tabular_suite

    features = _columns(given["features"]) if "features" in given else None
    return tabular_suite(
        given["tabular"], _columns(given["labels"]), features, name=given["name"], split_rule=_rule(given),
        seed=given["seed"],
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
    made = "tabular" in given or given.get("features", "ppr") in ("ppr", "svd")
    return None if made else Path(given["features"])


def _about(given: dict[str, Any]) -> str:
    if "tabular" in given:
        return f"Rows of {given['tabular'].name}; each task is to predict one of its columns."
    return f"Nodes of {given['graph'].name}; each task is to find those of one community or label."


def _plain(given: dict[str, Any], key: str) -> Any:
    """The value of an option as JSON, files without their folders."""
    value = (_feature_file(given) if key == "features" else None) or given[key]
    return value.name if isinstance(value, Path) else value


def _counts(suite: TaskSuite, task: int) -> dict[str, Any]:
    counts: dict[str, Any] = {"name": suite.task_names[task]}
    for split in SPLITS:
        labels = suite.labels[suite.indices(split, task), task]
        counts[split] = {"positive": int((labels == 1).sum()), "negative": int((labels == 0).sum())}
    return counts | {"unlabelled": int((suite.labels[:, task] == -1).sum())}
