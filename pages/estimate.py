"""Estimate: tune a run, see what it will cost, launch it and watch it."""

import streamlit as st

from gradtag_core.config import PRESET_HELP, PRESETS, RunConfig, make_config
from gradtag_core.errors import GradTagError
from gradtag_core.runs.command import command_line
from gradtag_core.runs.row import OPEN
from gradtag_core.tasks.registry import suite_infos, suite_problems
from pages.parts import knobs
from pages.parts.command_code import show_command
from pages.parts.forecast import forecast_of, show_forecast
from pages.parts.heading import heading
from pages.parts.navigation import show
from pages.parts.places import show_places
from pages.parts.progress import follow_run
from pages.parts.quantities import plain
from pages.parts.state import FOLLOWED, SUITE, current_run, start_run, store

SHOWN = "shown_suite"  # what the address named when the page was drawn last: another name comes from a link
MOST_SHOWN = 4  # of the knobs that differ from the preset


def main() -> None:
    """Draw the page."""
    heading("Estimate affinities")
    rows = store().list("run")
    current_run(rows)
    for problem in suite_problems():
        st.warning(f"{problem} The Data page can remove it.", icon=":material/warning:")
    follow_address()
    left, right = st.columns([3, 2], gap="large")
    with left:
        preset = pick_preset()
        below = st.container()
        values = knobs.draw_knobs()
        with below:
            explain(preset, values)
        st.query_params[SUITE] = st.session_state[SHOWN] = values["suite"]
        config = checked(values)
    with right:
        if config is not None:
            show_forecast(config)
            show_places()
        launched = st.button("Launch", type="primary", icon=":material/play_arrow:", disabled=config is None)
        if launched and config is not None:
            start_run(config)
            st.rerun()
        for row in rows:
            if row.state in OPEN or row.id == st.session_state.get(FOLLOWED):
                follow_run(row)
        if config is not None:
            show_command("estimate_command", command_line(config))


def follow_address() -> None:
    """Put the data set that a link names into its knob."""
    asked = st.query_params.get(SUITE)
    if asked in (None, st.session_state.get(SHOWN)):
        return
    infos = {info.name: info for info in suite_infos()}
    if asked in infos:
        knobs.choose_suite(infos[asked])
    else:
        st.warning(f"There is no data set `{asked.replace('`', '´')}` here; it may have been removed.")


def pick_preset() -> str:
    """Let a preset fill the knobs; returns its name, or that of no preset."""
    st.session_state.setdefault("preset", knobs.DEFAULT)
    return st.segmented_control(
        "Preset", (knobs.DEFAULT, *PRESETS, knobs.CUSTOM), format_func=str.capitalize, key="preset", required=True,
        on_change=knobs.fill_from_preset, persist_state="session", wrap=True,
    ) or knobs.DEFAULT  # fmt: skip


def explain(preset: str, values: dict) -> None:
    """What the preset is for and sets; or what differs from the one that filled the knobs last, and a way back."""
    found = knobs.differences(values)
    if not found:
        others = {knobs.DEFAULT: "A good start for most data sets.", knobs.CUSTOM: "As the knobs below say."}
        sets = [words(name, value) for name, value in PRESETS.get(preset, {}).items()]
        st.caption(
            {**PRESET_HELP, **others}[preset] + (f" It sets {plain(', '.join(sets))}." if sets else "")
        )
        return
    shown = [
        f"{words(name, now)} (was {knobs.value_words(name, then)})" for name, (now, then) in found.items()
    ]
    more = f" and {len(found) - MOST_SHOWN} more" if len(found) > MOST_SHOWN else ""
    many = f"{len(found)} knobs differ" if len(found) > 1 else "1 knob differs"
    told = f"{many} from “{knobs.reference()}”: {plain(', '.join(shown[:MOST_SHOWN]))}{more}."
    with st.container(horizontal=True, vertical_alignment="center", key="preset_differences"):
        st.caption(told, width="stretch")
        st.button("Reset", icon=":material/undo:", type="tertiary", key="reset_knobs", on_click=knobs.reset)


def words(name: str, value: object) -> str:
    """A knob and its value, as the form shows them."""
    return f"{knobs.label(name)} {knobs.value_words(name, value)}"


def checked(values: dict) -> RunConfig | None:
    """The configuration; None where a rule is broken, with the sentence drawn."""
    try:
        config = make_config(None, **values)
        forecast_of(config)
        return config
    except GradTagError as error:
        st.error(str(error), icon=":material/error:")
        return None


show(main)
