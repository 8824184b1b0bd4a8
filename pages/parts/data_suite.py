"""One suite: what it is, what its tasks are like, and what can be done with it."""

import streamlit as st

from gradtag_core.config import RunConfig
from gradtag_core.errors import StoreError
from gradtag_core.tasks.registry import SHIPPED, SuiteInfo, load_suite, suite_content, suite_infos
from gradtag_core.tasks.suite import TaskSuite
from pages.parts.data_facts import facts_of, show_facts, show_warnings, size_text
from pages.parts.data_remove import remove_button
from pages.parts.quantities import plain
from pages.parts.state import SUITE

CURRENT = "current_suite"
PICKER = "suite_picker"
USUAL = RunConfig.model_fields["suite"].default


def choose_suite(name: str) -> None:
    """Make a suite the one that the page shows; leaving the page drops the address, so the session keeps it too."""
    st.session_state[CURRENT] = name
    if st.query_params.get(SUITE) != name:
        st.query_params[SUITE] = name


def pick_suite() -> SuiteInfo:
    """The suite in the address, else the last one looked at; one can pick another."""
    infos = {info.name: info for info in suite_infos()}
    asked = st.query_params.get(SUITE)
    if asked and asked not in infos:
        st.warning(f"There is no data set `{asked.replace('`', '´')}` here; it may have been removed.")
    name = next(name for name in (asked, st.session_state.get(CURRENT), USUAL) if name in infos)
    choose_suite(name)
    st.session_state[PICKER] = name
    st.selectbox(
        "Data set", list(infos), format_func=lambda name: f"{infos[name].title} ({name})", key=PICKER,
        on_change=lambda: choose_suite(st.session_state[PICKER]),
    )  # fmt: skip
    return infos[name]


def show_suite(info: SuiteInfo) -> None:
    """What a suite is, and the facts of its tasks."""
    st.markdown(plain(info.description))
    content = suite_content(info.name)
    try:
        suite = _loaded(info.name, content)
    except StoreError:
        if info.name not in SHIPPED:
            remove_button(info.name)
        raise
    st.caption(f"{size_text(suite)}. Source: {plain(info.origin)}. Licence: {plain(info.licence)}.")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(
            "pages/estimate.py", label="Estimate affinities", icon=":material/play_circle:",
            query_params={SUITE: info.name},
        )  # fmt: skip
        if info.name not in SHIPPED:
            remove_button(info.name)
    facts = facts_of(suite, key := f"{info.name} {content}")
    show_warnings(facts)
    show_facts(suite, facts, key)


def _loaded(name: str, content: str) -> TaskSuite:
    with st.spinner("Loading the data …"):
        return load_suite(name)
