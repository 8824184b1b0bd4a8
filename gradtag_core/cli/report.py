"""The commands that show a run to others: `report`, `bundle` and `open`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradtag_core.cli.options import AsJson, RunId
from gradtag_core.cli.printing import print_json
from gradtag_core.config import Metric
from gradtag_core.errors import InvalidInput

if TYPE_CHECKING:
    from gradtag_core.runs.record import RunRecord

ChosenMetric = Annotated[Metric | None, typer.Option(help="Another metric than the run's own.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")]
WithStability = Annotated[
    bool, typer.Option(help="Also tell how firmly the groups hold; takes seconds, for many tasks minutes.")
]


def report(
    run_id: RunId,
    output: Annotated[
        Path | None,
        typer.Option(help="A file ending in .html, or in .pdf, which needs a browser. Default: RUN.html."),
    ] = None,
    metric: ChosenMetric = None,
    stability: WithStability = True,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write the report of a run: one HTML file that needs no network, or a PDF of it."""
    from gradtag_core.report.files import require_suffix
    from gradtag_core.report.findings import find, stability_of
    from gradtag_core.report.html import report_html, write_report
    from gradtag_core.report.pdf import write_pdf

    name, record = _record(run_id)
    path = _target(output or Path(f"{name}.html"), force)
    require_suffix(path, ".html", ".htm", ".pdf")
    found = stability_of(record) if stability else None
    if path.suffix.lower() == ".pdf":
        write_pdf(report_html(find(record, metric, found)), path)
    else:
        write_report(record, path, metric, found)
    _tell(path, None, as_json)


def bundle(
    run_id: RunId,
    output: Annotated[Path | None, typer.Option(help="A file ending in .zip. Default: RUN.zip.")] = None,
    metric: ChosenMetric = None,
    stability: WithStability = True,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write a run as one zip file with its tables, pictures and report; `open` and the app open it again."""
    from gradtag_core.report.bundle import write_bundle
    from gradtag_core.report.files import require_suffix
    from gradtag_core.report.findings import stability_of

    name, record = _record(run_id)
    path = _target(output or Path(f"{name}.zip"), force)
    require_suffix(path, ".zip")
    problem = write_bundle(record, path, metric, stability_of(record) if stability else None)
    _tell(path, problem and f"The bundle has no pictures. {problem}", as_json)


def open_bundle(
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", help="A bundle, as `bundle` writes it.")],
    as_json: AsJson = False,
) -> None:
    """Take the run of a bundle into the store; one that is there already is not taken twice."""
    from gradtag_core.report import opening
    from gradtag_core.runs.start import open_store

    row = opening.open_bundle(open_store(), file)
    if as_json:
        print_json({"run": row.id, "name": row.name})
    else:
        print(f"{row.id}: {row.name}")


def _record(run_id: str) -> tuple[str, RunRecord]:
    """The whole id of a run, and what it left behind."""
    from gradtag_core.runs.record import RunRecord
    from gradtag_core.runs.start import open_store

    store = open_store()
    row = store.get(store.resolve(run_id))
    if row.kind != "run":
        raise InvalidInput(f"`{row.id}` is a {row.kind}; reports and bundles are made of runs.")
    record = RunRecord(store.run_folder(row.id))
    if not record.has_summary or record.estimated is None:
        why = f" ({row.error.rstrip('.')})" if row.error else ""
        raise InvalidInput(
            f"`RUN` must have an estimate; `{row.id}` is {row.state}{why} and has none. Wait for it, or `resume` it."
        )
    return row.id, record


def _target(path: Path, force: bool) -> Path:
    if path.exists() and not force:
        raise InvalidInput(
            f"`{path}` is there already. Choose another name with `--output`, or add `--force`."
        )
    return path


def _tell(path: Path, remark: str | None, as_json: bool) -> None:
    if as_json:
        print_json({"file": str(path), "bytes": path.stat().st_size, "remark": remark})
        return
    print(f"Wrote {path} ({path.stat().st_size / 1e6:.1f} MB).")
    if remark:
        print(f"Warning: {remark}", file=sys.stderr)
