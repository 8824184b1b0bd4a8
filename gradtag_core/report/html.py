"""The report: one HTML file that needs no network, with everything in it that a run has to say."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gradtag_core.config import Metric, RunConfig
from gradtag_core.grouping.stability import Stability
from gradtag_core.report.files import require_suffix, write_whole
from gradtag_core.report.findings import Findings, find
from gradtag_core.report.pictures import Picture, all_pictures, story_pictures
from gradtag_core.report.script import SCRIPT
from gradtag_core.report.story import Pair, Story, group_lines, story_of
from gradtag_core.report.style import STYLE
from gradtag_core.report.tables import accuracy_table, cost_table, groups_table, matrix_table, pairs_table
from gradtag_core.report.trust import Level
from gradtag_core.report.words import counted
from gradtag_core.runs.command import python_call
from gradtag_core.runs.record import RunRecord

LEVEL_TITLES: dict[Level, str] = {
    "good": "Good",
    "caution": "With care",
    "bad": "Not reliable",
    "unknown": "Unknown",
}
MOST_IN_MATRIX = 150  # tasks; a larger table is in the bundle
MOST_PAIRS = 20  # from either end


def write_report(
    record: RunRecord, path: Path, metric: Metric | None = None, stability: Stability | None = None
) -> None:
    """Write the report of a run as one offline HTML file; `stability` as `findings.stability_of` gives it.

    Raises `InvalidInput` for a run without an estimate and for another ending than .html, `StoreError` where the file
    cannot be written.
    """
    require_suffix(path, ".html", ".htm")
    write_whole(path, report_html(find(record, metric, stability)).encode())


def report_html(found: Findings) -> str:
    """The report as text: the same findings give the same text."""
    told = story_of(found)
    body = "\n".join(
        (
            *_story(told, found),
            *_figures(found),
            *_tables(found),
            *_configuration(found),
            *_provenance(told, found),
        )
    )
    library, title = _plotly(), escape(f"{told.title}: report")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy((library, SCRIPT))}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{title}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        f"<script>{library}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()


def _policy(scripts: Iterable[str]) -> str:
    """Nothing is fetched, and no script runs but these."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _story(told: Story, found: Findings) -> Iterable[str]:
    yield f'<p class="muted">{escape(told.title)} · data set {escape(told.suite)} · {escape(told.metric_title)}</p>'
    yield f"<h1>{escape(told.question)}</h1>"
    headline, *rest = told.answer
    yield f'<p class="lead">{escape(headline)}</p>'
    yield from _paragraphs(rest)
    facts = (
        f"<div><dt>{escape(fact.meaning)}</dt><dd>{escape(fact.value)}</dd></div>" for fact in told.facts
    )
    yield f'<dl class="facts">{"".join(facts)}</dl>'
    if told.groups:
        yield "<h2>Learn these together</h2>"
        yield _ordered(group_lines(told))
    yield "<h2>How sure is this?</h2>"
    verdicts = (
        f'<li class="{verdict.level}"><b>{LEVEL_TITLES[verdict.level]}</b>{escape(verdict.text)}</li>'
        for verdict in told.trust
    )
    yield f'<ul class="verdicts">{"".join(verdicts)}</ul>'
    for picture in story_pictures(found):
        yield _figure(picture)
    yield from _pairs(told)
    yield "<h2>How it was found</h2>"
    yield from _paragraphs(told.method)
    yield "<h2>What to do next</h2>"
    yield _unordered(told.next_steps)


def _pairs(told: Story) -> Iterable[str]:
    chosen: tuple[tuple[str, Sequence[Pair]], ...] = (
        ("Strongest help", told.helping), ("Strongest harm", told.hurting),
    )  # fmt: skip
    for title, pairs in chosen:
        if pairs:
            yield f"<h3>{title}</h3>"
            yield _unordered([pair.sentence for pair in pairs])


def _figures(found: Findings) -> Iterable[str]:
    told = {picture.key for picture in story_pictures(found)}
    more = [picture for picture in all_pictures(found) if picture.key not in told]
    if more:
        yield "<h2>More figures</h2>"
        yield from map(_figure, more)


def _figure(picture: Picture) -> str:
    """A figure with its words; the JSON has no `<`, so that nothing in it can end the script."""
    data = str(picture.draw("light").to_json()).replace("<", "\\u003c")
    return (
        f'<figure><h3>{escape(picture.title)}</h3><div class="plot" id="{picture.key}" role="group" '
        f'aria-label="{escape(picture.alt)}"></div><figcaption>{escape(picture.caption)}</figcaption>'
        f'<script type="application/json" class="figure" data-place="{picture.key}">{data}</script></figure>'
    )


def _tables(found: Findings) -> Iterable[str]:
    if found.grouping is not None:
        yield "<h2>Groups, task by task</h2>"
        yield _table(groups_table(found))
    yield "<h2>Pairs</h2>"
    yield f"<p>The {counted(MOST_PAIRS, 'pair')} at either end, strongest help first.</p>"
    yield _table(pairs_table(found, MOST_PAIRS))
    if found.n_tasks <= MOST_IN_MATRIX:
        values = matrix_table(found.estimated.values, found.task_names).reset_index()
        yield '<details class="screen"><summary>All estimated affinities</summary>'
        yield f"<p>Row: evaluated task; column: co-task; {escape(found.metric_title)}.</p>"
        yield _table(values, "matrix", digits=3) + "</details>"
    else:
        yield "<p>The whole matrix is in the bundle of this run, as CSV.</p>"
    accuracy = accuracy_table(found)
    if accuracy is not None:
        yield "<h2>Accuracy</h2>"
        yield _table(accuracy)
        yield (
            '<p class="muted">Judge by row Spearman. Column Spearman and the distances mostly measure how hard each '
            "task is: the constant predictor, which knows nothing about transfer, nearly meets them.</p>"
        )


def _configuration(found: Findings) -> Iterable[str]:
    config = found.record.config
    fields = RunConfig.model_fields
    rows = [
        {"parameter": field.title or name, "name": name, "value": _shown(getattr(config, name)),
         "default": _shown(field.default)}
        for name, field in fields.items()
    ]  # fmt: skip
    changed = [row for row in rows if row["value"] != row["default"] or row["name"] == "suite"]
    yield "<h2>Configuration</h2>"
    yield "<p>What differs from the defaults:</p>"
    yield _table(pd.DataFrame(changed))
    yield f'<details class="screen"><summary>All {len(rows)} parameters</summary>{_table(pd.DataFrame(rows))}</details>'


def _shown(value: object) -> str:
    return "(chosen by itself)" if value is None else str(value)


def _provenance(told: Story, found: Findings) -> Iterable[str]:
    summary, config = found.record.summary, found.record.config
    seeds = f"{config.seed}; base models {', '.join(map(str, config.init_seeds)) or 'none'}"
    truth = found.comparison.truth_seeds if found.comparison else ()
    computed = sum(cost.seconds for cost in summary.costs.values())
    facts = {
        "run": summary.id, "data set": f"{summary.suite}, fingerprint {summary.fingerprint}",
        "seeds": seeds + (f"; real training {', '.join(map(str, truth))}" if truth else ""), "device": summary.device,
        "versions": ", ".join(f"{name} {number}" for name, number in summary.versions.items()) or "unknown",
        "computing time": f"{computed:,.1f} s in all stages, what an earlier run had done of them included; this "
        f"run itself took {summary.seconds:,.1f} s",
        "training every subset once": f"{summary.full_training_flops:.3g} FLOPs",
    }  # fmt: skip
    yield "<h2>Where the numbers come from</h2>"
    yield _table(pd.DataFrame({"": list(facts), "value": list(facts.values())}))
    yield "<h3>Cost by stage</h3>"
    yield _table(cost_table(found))
    if summary.warnings:
        yield "<h3>Warnings of the run</h3>"
        yield _unordered(summary.warnings)
    yield "<h2>How to repeat it</h2>"
    where = "The call, in the code where the run began:" if told.in_code else "The command:"
    yield f"<p>{where}</p><pre>{escape(told.command)}</pre>"
    if not told.in_code:
        yield f"<p>The same in Python:</p><pre>{escape(python_call(config))}</pre>"


def _paragraphs(sentences: Iterable[str]) -> Iterable[str]:
    return (f"<p>{escape(sentence)}</p>" for sentence in sentences)


def _ordered(lines: Sequence[str]) -> str:
    return f"<ol>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ol>"


def _unordered(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _table(frame: pd.DataFrame, kind: str = "", digits: int = 4) -> str:
    """A table, numbers to the right; wide ones scroll, also by keyboard."""
    numeric = [pd.api.types.is_numeric_dtype(dtype) for dtype in frame.dtypes]
    classes = [' class="number"' if each else "" for each in numeric]
    head = "".join(
        f'<th scope="col"{kind_}>{escape(str(name))}</th>' for name, kind_ in zip(frame, classes, strict=True)
    )
    lines = (
        "".join(f"<td{kind_}>{_cell(value, digits)}</td>" for value, kind_ in zip(line, classes, strict=True))
        for line in frame.itertuples(index=False, name=None)
    )
    rows = "".join(f"<tr>{line}</tr>" for line in lines)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Table"><table class="{kind}">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cell(value: Any, digits: int) -> str:
    if value is None or (isinstance(value, float | np.floating) and not math.isfinite(value)):
        return "–"
    if isinstance(value, float | np.floating):
        large = value != 0 and not 1e-4 <= abs(value) < 1e5
        return f"{value:.3g}" if large else f"{value:.{digits}f}"
    return escape(str(value))
