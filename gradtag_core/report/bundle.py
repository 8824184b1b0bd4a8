"""A run as one zip file: its own files, so that it opens again, and its tables, pictures and report for people."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from gradtag_core.config import Metric
from gradtag_core.csv_text import csv_text
from gradtag_core.errors import StoreError
from gradtag_core.grouping.stability import Stability
from gradtag_core.report.browser import BrowserFailed, NoBrowser
from gradtag_core.report.files import require_suffix, write_whole
from gradtag_core.report.findings import Findings, find
from gradtag_core.report.html import report_html
from gradtag_core.report.images import draw_images
from gradtag_core.report.pictures import Picture, all_pictures
from gradtag_core.report.tables import all_tables
from gradtag_core.runs.adopt import RESULT_FILES
from gradtag_core.runs.record import RunRecord

RUN_FOLDER = "run/"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the date of every file, so that equal bundles have equal bytes

TABLE_WORDS: Mapping[str, str] = {
    "affinity-estimated": "estimated affinity; row: evaluated task, column: co-task",
    "standard-errors": "how far each estimated affinity may be off",
    "subset-counts": "subsets behind each estimated affinity",
    "pairs": "every pair of tasks in a line, strongest help first",
    "groups": "the group of every task, and what it brings",
    "costs": "what each stage of the run cost",
    "affinity-true": "affinity by really trained subsets; empty: no subset holds both tasks",
    "affinity-difference": "estimate minus truth over the really trained subsets",
    "accuracy": "the estimate and its reference lines against real training",
    "accuracy-by-task": "the same, task by task",
}
INSTEAD = "The report draws the same figures."
README = """{title}
{line}

{question}
{headline}

run/            the run itself. Open this zip file in the app (page Runs, "Open a bundle"), or with
                  python -m gradtag_core open FILE.zip
tables/         the numbers as CSV. A text that a spreadsheet would take for a formula begins with an apostrophe.
{tables}
{figures}
report.html     the whole report in one file; it opens in any browser and needs no network

Metric: {metric}
Repeat the run: {command}
"""


def write_bundle(
    record: RunRecord, path: Path, metric: Metric | None = None, stability: Stability | None = None
) -> str | None:
    """Write a run as a zip file; returns why it has no pictures, None where it has.

    The same run gives the same bytes, pictures aside. Raises `InvalidInput` for a run without an estimate and for
    another ending than .zip, `StoreError` where a file cannot be read or written.
    """
    require_suffix(path, ".zip")
    content, problem = bundle_bytes(find(record, metric, stability))
    write_whole(path, content)
    return problem


def bundle_bytes(found: Findings) -> tuple[bytes, str | None]:
    """The zip file, and why it has no pictures (None: it has)."""
    files = dict(_run_files(found.record.folder))
    tables = all_tables(found)
    for name, table in tables.items():
        named = table.index.name is not None
        files[f"tables/{name}.csv"] = csv_text(table, index=named).encode()
    pictures = all_pictures(found)
    drawn, problem = _images(pictures)
    files |= drawn
    html = report_html(found)
    files["report.html"] = html.encode()
    files["README.txt"] = _readme(found, list(tables), pictures, problem).encode()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            archive.writestr(info, files[name])
    return target.getvalue(), problem


def _run_files(folder: Path) -> Iterable[tuple[str, bytes]]:
    for name in RESULT_FILES["run"]:
        path = folder / name
        try:
            if path.is_file():
                yield RUN_FOLDER + name, path.read_bytes()
        except OSError as error:
            raise StoreError(f"`{path}` could not be read: {error}. Check its permissions.") from error


def _images(pictures: Iterable[Picture]) -> tuple[dict[str, bytes], str | None]:
    try:
        drawn = draw_images({picture.key: picture.draw("light") for picture in pictures})
    except (NoBrowser, BrowserFailed) as error:
        return {}, str(error)
    files = {f"figures/{key}.svg": image.svg for key, image in drawn.items()}
    return files | {f"figures/{key}.png": image.png for key, image in drawn.items()}, None


def _readme(found: Findings, tables: list[str], pictures: Iterable[Picture], problem: str | None) -> str:
    from gradtag_core.report.story import story_of

    told = story_of(found)
    listed = "\n".join(f"  {name + '.csv':<25} {TABLE_WORDS[name]}" for name in sorted(tables))
    if problem is None:
        lines = "\n".join(f"  {picture.key:<25} {picture.title}" for picture in pictures)
        figures = f"figures/        the figures as SVG and PNG\n{lines}"
    else:
        figures = f"(no figures/)   Pictures could not be made: {problem}\n" + " " * 16 + INSTEAD
    title = " ".join(told.title.split())
    return README.format(
        title=title, line="=" * len(title), question=told.question, headline=told.answer[0], tables=listed,
        figures=figures, metric=told.metric_title, command=told.command,
    )  # fmt: skip
