"""Options that commands share, and those that follow from the knobs of a configuration."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin

import typer
from pydantic import BaseModel

from gradtag_core.config import paper_reference

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on standard output.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the beginning of it.")]


def knob_options(config: type[BaseModel]) -> list[inspect.Parameter]:
    """An option for every knob; without a value it is None, so that presets and defaults stay where they are."""
    found = []
    for name, field in config.model_fields.items():
        paper = paper_reference(config, name)
        source = f" [{paper}]" if paper else ""
        default = "" if field.default is None else f" Default: {field.default}."
        annotation: Any = field.annotation
        listed = any(get_origin(kind) is tuple for kind in get_args(annotation))
        annotation = str | None if listed else annotation
        option = typer.Option(
            help=f"{field.description}{default}{source}",
            show_default=False,
            metavar="A,B,…" if listed else None,
        )
        found.append(keyword(name, annotation if field.default is None else annotation | None, option))
    return found


Workers = Annotated[int | None, typer.Option(
    help="Make units in this many processes of this machine. Default: $GRADTAG_WORKERS, else 1.", show_default=False,
)]  # fmt: skip
Scheduler = Annotated[str | None, typer.Option(
    metavar="URL", show_default=False,
    help="Make units on the Dask cluster of this scheduler, as tcp://host:8786. Default: $GRADTAG_SCHEDULER.",
)]  # fmt: skip


def place_options() -> list[inspect.Parameter]:
    """Where units of work run."""
    kind = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter("workers", kind, default=None, annotation=Workers),
        inspect.Parameter("scheduler", kind, default=None, annotation=Scheduler),
    ]


def keyword(name: str, annotation: Any, option: Any, default: Any = None) -> inspect.Parameter:
    """One option of a command."""
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, option]
    )


def set_options(command: Callable[..., None], options: list[inspect.Parameter]) -> None:
    """Let the command line see these as the command's parameters, followed by `--json`."""
    as_json = typer.Option("--json", help="Print JSON and nothing else on standard output.")
    listed = [*options, keyword("as_json", bool, as_json, False)]
    command.__signature__ = inspect.Signature(listed)  # type: ignore[attr-defined]
    command.__annotations__ = {option.name: option.annotation for option in listed}
