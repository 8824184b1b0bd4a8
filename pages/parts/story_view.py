"""A run in plain words and three figures, large enough to be read from afar and fit to be printed."""

from collections.abc import Mapping, Sequence
from html import escape

import streamlit as st

from gradtag_core.report.findings import Findings, drawn_from, gathered
from gradtag_core.report.pictures import Picture, story_pictures
from gradtag_core.report.story import Pair, Story, group_lines, story_of
from gradtag_core.report.trust import Level
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.row import RunRow
from pages.parts.charts import draw
from pages.parts.groups_stability import Bootstrapped, follow_stability, stabilities
from pages.parts.quantities import plain
from pages.parts.results import affinity_of, comparison_of, true_affinity_of
from pages.parts.solver import Matrix
from pages.parts.state import theme

MOST_GROUPS = 12  # listed before one asks for more
MOST_RESAMPLED = 150  # tasks; beyond, drawing the groups anew takes minutes
LEVELS: Mapping[Level, tuple[str, str]] = {
    "good": (":material/check_circle:", "Good"),
    "caution": (":material/warning:", "With care"),
    "bad": (":material/cancel:", "Not reliable"),
    "unknown": (":material/help:", "Unknown"),
}
ONWARD = (
    ("pages/affinity.py", "Every pair of tasks", ":material/grid_on:"),
    ("pages/groups.py", "Try other groups", ":material/workspaces:"),
    ("pages/how.py", "How it works", ":material/school:"),
)


def findings_of(row: RunRow, record: RunRecord) -> Findings:
    """What a run found, in its own metric, with the stability of its groups once that is known."""
    metric = record.config.metric
    estimated, grouping = affinity_of(row, metric), record.grouping
    source = _resampled(record, row)
    stability = (
        stabilities().ready((source.key, grouping.n_groups))
        if source is not None and grouping is not None
        else None
    )
    return gathered(record, estimated, true_affinity_of(row, metric), comparison_of(row, metric), stability)


def _resampled(record: RunRecord, row: RunRow) -> Bootstrapped | None:
    """What the stability of the groups is computed from, shared with the Groups page."""
    affinity = affinity_of(row, record.config.metric)
    source = drawn_from(record, affinity) if affinity.n_tasks <= MOST_RESAMPLED else None
    if source is None:
        return None
    return Bootstrapped(Matrix.of(affinity.values, affinity.task_names).key, source, affinity.metric)


def show_story(row: RunRow, found: Findings) -> None:
    """The question, the answer, how sure it is, three figures, and how it was found."""
    told, pictures = story_of(found), story_pictures(found)
    with st.container(key="story"):
        st.header(plain(told.question), anchor=False)
        headline, *rest = told.answer
        with st.container(key="story_headline"):
            st.markdown(plain(headline))
        _paragraphs(rest)
        _facts(told)
        _groups(told)
        st.subheader("How sure is this?", anchor=False)
        for verdict in told.trust:
            icon, title = LEVELS[verdict.level]
            st.markdown(f"{icon} **{title}.** {plain(verdict.text)}")
        _follow(row, found)
        for picture in pictures:
            _draw(picture)
        left, right = st.columns(2, gap="large")
        with left:
            _pairs("Strongest help", told.helping)
        with right:
            _pairs("Strongest harm", told.hurting)
        st.subheader("How it was found", anchor=False)
        _paragraphs(told.method)
        st.subheader("What to do next", anchor=False)
        st.markdown("\n".join(f"- {plain(step)}" for step in told.next_steps))
        with st.container(horizontal=True, key="story_links"):
            for page, label, icon in ONWARD:
                st.page_link(page, label=label, icon=icon, query_params={"run": row.id})


def _follow(row: RunRow, found: Findings) -> None:
    """Begin to draw the groups anew, unless that is known or makes no sense."""
    source, grouping = _resampled(found.record, row), found.grouping
    if found.stability is None and source is not None and grouping is not None:
        follow_stability(source, grouping.n_groups, found.n_tasks)


def _paragraphs(sentences: Sequence[str]) -> None:
    if sentences:
        st.markdown("\n\n".join(plain(sentence) for sentence in sentences))


def _facts(told: Story) -> None:
    lines = (
        f"<div><dt>{escape(fact.meaning)}</dt><dd>{escape(fact.value)}</dd></div>" for fact in told.facts
    )
    with st.container(key="story_facts"):
        st.html(f'<dl class="story-facts">{"".join(lines)}</dl>')


def _groups(told: Story) -> None:
    lines = [f"{number}. {plain(line)}" for number, line in enumerate(group_lines(told), start=1)]
    if not lines:
        return
    st.subheader("Learn these together", anchor=False)
    st.markdown("\n".join(lines[:MOST_GROUPS]))
    if len(lines) > MOST_GROUPS:
        with st.expander(f"{len(lines) - MOST_GROUPS} more groups"):
            st.markdown("\n".join(lines[MOST_GROUPS:]))


def _draw(picture: Picture) -> None:
    with st.container(key=f"story_{picture.key}"):
        st.subheader(picture.title, anchor=False)
        draw(
            picture.draw(theme()), key=f"story-{picture.key}", alt=picture.alt, caption=plain(picture.caption),
            table=picture.table,
        )  # fmt: skip


def _pairs(title: str, pairs: Sequence[Pair]) -> None:
    if pairs:
        st.subheader(title, anchor=False)
        st.markdown("\n".join(f"- {plain(pair.sentence)}" for pair in pairs))
