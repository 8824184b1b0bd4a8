"""From what was read to a suite that is kept: splits, name, what was understood, and the button that saves it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import streamlit as st

from gradtag_core.errors import InvalidInput
from gradtag_core.runs.suites import add_suite, require_free_name
from gradtag_core.tasks.registry import suite_infos
from gradtag_core.tasks.stored import MAX_NAME
from gradtag_core.tasks.suite import SplitRule, TaskSuite
from pages.parts.data_facts import facts_of, show_examples, show_table, show_warnings, size_text
from pages.parts.data_upload import file_name, once, start_anew
from pages.parts.errors import shown_errors

SAVED = "data_saved"
PREVIEW_ROWS = 5


@dataclass(frozen=True)
class Draft:
    """What the form of one kind of data has to offer.

    `build`: reads the suite, whatever its name and splits; `key`: what changes when it would read another one.
    `origin`: the uploaded files; `options`: how they are read, kept with the suite. `preview`: the first rows.
    """

    key: str
    build: Callable[[], TaskSuite]
    origin: tuple[Any, ...]
    options: dict[str, Any]
    description: str
    preview: pd.DataFrame | None = None


@dataclass(frozen=True)
class Choices:
    """What is asked of every kind of data."""

    name: str
    title: str
    train: float
    validation: float


def pick_seed() -> int:
    return st.number_input(
        "Seed", min_value=0, max_value=2**31 - 1, value=0, step=1, key="data_seed", persist_state="page",
        help="Draws which examples train, validate and test, and features that are made.",
    )  # fmt: skip


def pick_choices(draft: Draft) -> Choices:
    """The fields below those of the kind; the name follows the file until it is typed over."""
    first = draft.origin[0]
    with st.grid(2, min_column_width=150):
        train = st.number_input(
            "Training share", 0.01, 0.98, SplitRule.train, 0.05, key="data_train", persist_state="page",
            help="Of each class of each task.",
        )  # fmt: skip
        validation = st.number_input(
            "Validation share", 0.01, 0.98, SplitRule.validation, 0.05, key="data_validation", persist_state="page",
            help="Of each class of each task; the rest tests.",
        )  # fmt: skip
    name = st.text_input(
        "Name", free_name(file_name(first)), key=f"data_name_{first.file_id}", persist_state="page",
        help="What runs and the command line call it: lower-case letters and digits, with hyphens between them.",
    )  # fmt: skip
    title = st.text_input(
        "Title", "", key=f"data_title_{first.file_id}", persist_state="page", placeholder="as the name",
        help="What lists show.",
    )  # fmt: skip
    return Choices(name.strip(), title.strip(), train, validation)


def free_name(file: str) -> str:
    """A name for a suite of this file that is not taken."""
    stem = file.lower().split(".")[0]
    base = re.sub(r"[^a-z0-9]+", "-", stem)[: MAX_NAME - 4].strip("-") or "data"
    taken = {info.name for info in suite_infos()}
    numbers = (f"{base}-{number}" for number in range(2, len(taken) + 3))
    return base if base not in taken else next(name for name in numbers if name not in taken)


def check_and_save(draft: Draft, choices: Choices) -> None:
    """Show what was understood, or the sentence that says what is wrong; save on request, whole or not at all."""
    with shown_errors():
        if draft.preview is not None:
            st.markdown("**First rows**")
            st.dataframe(draft.preview, hide_index=True, width="stretch", placeholder="")
        whole = once(draft.key, draft.build)
        suite = with_splits(whole, choices)
        facts = facts_of(suite, f"{draft.key} {choices.train} {choices.validation}")
        st.markdown(f"**Understood:** {size_text(suite)}.")
        if suite.choices is not None:
            show_examples(suite)
        show_table(facts)
        show_warnings(facts)
        require_free_name(choices.name)
        if st.button("Save", type="primary", icon=":material/save:", key="save_suite"):
            _save(draft, suite, choices)


def with_splits(suite: TaskSuite, choices: Choices) -> TaskSuite:
    """The suite under the chosen name and splits."""
    try:
        rule = SplitRule(choices.train, choices.validation)
    except InvalidInput as error:
        raise InvalidInput(
            "The training and validation shares must leave something for the test split; found "
            f"{choices.train:g} and {choices.validation:g}."
        ) from error
    return replace(suite, name=choices.name, split_rule=rule)


def _save(draft: Draft, suite: TaskSuite, choices: Choices) -> None:
    with st.spinner("Saving …"):
        add_suite(
            suite,
            origin=[file_name(file) for file in draft.origin],
            title=choices.title or None,
            description=draft.description,
            options={**draft.options, "train": choices.train, "validation": choices.validation},
        )
    st.session_state[SAVED] = suite.name
    start_anew()
    st.rerun()
