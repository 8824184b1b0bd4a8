"""What there is to know of a suite before it is run."""

import pandas as pd
import streamlit as st

from gradtag_core.evaluation.task_facts import TaskFacts, task_facts
from gradtag_core.figures.task_facts import cooccurrence_heatmap, overlap_heatmap
from gradtag_core.tasks.suite import TaskSuite
from pages.parts.charts import draw
from pages.parts.data_difficulty import show_difficulty
from pages.parts.downloads import matrix_table
from pages.parts.errors import shown_errors
from pages.parts.state import theme

PANELS = ("Sizes and balance", "Shared by tasks", "Difficulty")
SHOWN_TEXTS = 5
UNITS = {"graph": "nodes", "image": "images", "text": "texts", "table": "rows"}


def size_text(suite: TaskSuite) -> str:
    """How much a suite holds, in words."""
    inputs = suite.inputs
    each = "" if inputs.ndim == 1 else f" of {' × '.join(f'{side:,}' for side in inputs.shape[1:])} numbers"
    edges = "" if suite.edges is None else f", {_count(len(suite.edges), 'edge')}"
    return f"{_count(suite.n_tasks, 'task')} over {suite.n_examples:,} {UNITS[suite.modality]}{each}{edges}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def show_examples(suite: TaskSuite) -> None:
    """The first texts, where a suite has any: of instructions, one prompt of each of the first tasks."""
    if suite.modality != "text":
        return
    columns: dict[str, list[str]] = {}
    if suite.choices is not None:
        tasks = suite.labelled[:SHOWN_TEXTS].argmax(axis=1)
        columns["Task"] = [suite.task_names[task] for task in tasks]
        columns["Answers"] = [" / ".join(suite.choices[task]) for task in tasks]
    columns["Text"] = suite.inputs[:SHOWN_TEXTS].tolist()
    st.dataframe(pd.DataFrame(columns), hide_index=True, width="stretch")


@st.cache_resource(max_entries=16, show_spinner="Counting …")
def facts_of(_suite: TaskSuite, key: str) -> TaskFacts:
    """The facts of a suite, counted once per `key`."""
    return task_facts(_suite)


def show_table(facts: TaskFacts) -> None:
    """One line per task."""
    number = st.column_config.NumberColumn
    table = facts.table().assign(positive=100 * facts.positive)
    st.dataframe(
        table, hide_index=True, width="stretch", height=min(38 + 35 * len(table), 400), placeholder="–",
        column_config={
            "task": "Task",
            "kind": "Kind",
            "train": number("Train", format="localized", help="Examples that train."),
            "validation": number("Validation", format="localized", help="Examples that estimates are scored on."),
            "test": number("Test", format="localized"),
            "positive": st.column_config.ProgressColumn(
                "Positive", format="%.1f %%", min_value=0, max_value=100, help="Share among the labelled examples."
            ),
            "unlabelled": number("Unlabelled", format="localized"),
        },
    )  # fmt: skip


def show_warnings(facts: TaskFacts) -> None:
    for warning in facts.warnings:
        st.warning(warning, icon=":material/warning:")


@st.fragment
def show_facts(suite: TaskSuite, facts: TaskFacts, key: str) -> None:
    """Sizes and balance, what tasks share, and their difficulty; only the open panel is drawn."""
    sizes, together, hard = st.tabs(PANELS, key="facts", bind="query-params", on_change="rerun")
    with shown_errors():
        if sizes.open:
            with sizes:
                _show_sizes(suite, facts)
        if together.open:
            with together:
                _show_together(facts)
        if hard.open:
            with hard:
                show_difficulty(suite, key)
                st.caption(
                    "Whether a finished run's model is linear enough for its estimate is told by "
                    "`python -m gradtag_core linearise RUN` (table 1 of the paper)."
                )


def _show_sizes(suite: TaskSuite, facts: TaskFacts) -> None:
    show_table(facts)
    show_examples(suite)


def _show_together(facts: TaskFacts) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        draw(
            overlap_heatmap(facts, theme=theme()), key="overlap",
            alt="Share of the smaller task's training examples that two tasks have in common.",
            caption="Orange: two tasks share too few training examples for gradients to tell how they relate "
            "(arXiv 2604.07848).", table=lambda: matrix_table(facts.overlap, facts.task_names),
        )  # fmt: skip
    with right:
        draw(
            cooccurrence_heatmap(facts, theme=theme()), key="cooccurrence",
            alt="Of the positives of each task, the share that is positive in each other one.",
            caption="Of the positives of the row's task, the share that the column's task has too.",
            table=lambda: matrix_table(facts.cooccurrence, facts.task_names),
        )  # fmt: skip
