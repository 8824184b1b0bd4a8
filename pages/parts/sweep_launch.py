"""A new sweep: its base, its knobs and their values, what the grid will cost, and the button that starts it."""

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from gradtag_core.config import RunConfig, make_config, read_config
from gradtag_core.errors import GradTagError
from gradtag_core.runs.command import is_call_in_code
from gradtag_core.runs.row import RunRow
from gradtag_core.runs.start import load_plan, load_sweep_plan
from gradtag_core.runs.sweep_plan import SweepWork, sweep_command_line
from gradtag_core.sweep_config import (
    SWEEPABLE,
    SweepConfig,
    cell_config,
    choices,
    make_sweep_config,
    parse_values,
    read_sweep_config,
    suggested_values,
    value_text,
)
from gradtag_core.tasks.registry import suite_content
from pages.parts import knobs
from pages.parts.command_code import show_command
from pages.parts.errors import shown_errors
from pages.parts.forecast import Rates, rates_for
from pages.parts.places import show_places
from pages.parts.quantities import plain
from pages.parts.run_picker import run_labels
from pages.parts.state import start_sweep, store
from pages.parts.sweep_forecast import show_sweep_forecast
from pages.parts.sweep_picker import forget_view

FORM, STARTED = "new_sweep", "sweep_started"
EXAMPLE, ESTIMATE = "example", "estimate"
NONE = "none"
FIRST = ("proj_dim", "n_inits")
EXAMPLE_VALUES: dict[str, Any] = {"suite": "yeast", "proxies_per_task": 0, "truth": 40}
MOST_SUGGESTED = 6


@st.fragment
def show_launcher(is_first: bool) -> None:
    """A form that is made when it is opened, at once where there is no sweep yet; only it answers to its knobs."""
    with shown_errors(), st.expander("New sweep", key=FORM, on_change="rerun", expanded=is_first) as box:
        if not box.open:
            return
        left, right = st.columns([3, 2], gap="large")
        with left:
            config = _form(is_first)
        with right:
            if config is not None:
                show_sweep_forecast(config, _work(*_cached(config)))
                show_places()
            st.button(
                "Start the sweep", type="primary", icon=":material/play_arrow:", disabled=config is None,
                key="start_sweep", on_click=_start, args=(config,),
            )  # fmt: skip
            if config is not None:
                show_command("sweep_command", sweep_command_line(config))
        # Last: widgets that a run of the script does not reach forget their values.
        if st.session_state.pop(STARTED, False):
            st.toast("The sweep has started: the top of the page shows how far it is.")
            st.rerun()


def _start(config: SweepConfig) -> None:
    """Start the sweep and let the whole page show it."""
    with shown_errors():
        start_sweep(config)
        forget_view()
        st.session_state[STARTED] = True


def _form(is_first: bool) -> SweepConfig | None:
    """The sweep that the widgets describe; None where a rule is broken, with the sentence drawn."""
    try:
        base = _pick_base(is_first)
        vary: dict[str, tuple[Any, ...]] = {}
        for position, default in enumerate(FIRST):
            name = _pick_knob(position, default, base, tuple(vary))
            if name != NONE:
                vary[name] = _pick_values(name, base)
        config = make_sweep_config(base, vary)
        _work(*_cached(config))
        return config
    except GradTagError as error:
        st.error(str(error), icon=":material/error:")
        return None


def _pick_base(is_first: bool) -> RunConfig:
    """The configuration whose knobs vary, and how many of its subsets are really trained."""
    rows = {row.id: row for row in store().list("run") if not is_call_in_code(row.command)}
    titles = {
        ESTIMATE: "the knobs as they stand on Estimate",
        EXAMPLE: "an example: yeast genes, judged by real training",
        **{run_id: f"run: {label}" for run_id, label in run_labels([*rows.values()]).items()},
    }
    st.session_state.setdefault("sweep_base", EXAMPLE if is_first else ESTIMATE)
    if st.session_state["sweep_base"] not in titles:
        st.session_state["sweep_base"] = ESTIMATE
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    chosen = left.selectbox(
        "Start from", list(titles), format_func=titles.__getitem__, key="sweep_base", persist_state="session",
        help="Every cell has the knobs of this configuration but for those that vary.",
    )  # fmt: skip
    config = _base_config(chosen, rows)
    truth = right.number_input(
        knobs.label("truth"), min_value=0, value=config.truth, step=1, key=f"sweep_truth_{chosen}_{config.truth}",
        help=knobs.help_text("truth") + "\n\nCells with the same subsets and seed share these trainings.",
    )  # fmt: skip
    changed = [
        f"{knobs.label(name)} {knobs.value_words(name, value)}"
        for name, value in config.model_dump().items()
        if name != "truth" and value != RunConfig.model_fields[name].default
    ]
    st.caption(plain(", ".join(changed) or "Every knob at its default") + ".")
    return config.model_copy(update={"truth": truth})


def _base_config(chosen: str, rows: Mapping[str, RunRow]) -> RunConfig:
    if chosen == ESTIMATE:
        return make_config(None, **knobs.present())
    return make_config(None, **EXAMPLE_VALUES) if chosen == EXAMPLE else read_config(rows[chosen].config)


def _pick_knob(position: int, default: str, base: RunConfig, taken: tuple[str, ...]) -> str:
    """One of the knobs that can vary; the second one may be none."""
    offered = [name for name in SWEEPABLE if name not in taken]
    optional = (NONE,) if position else ()
    key = f"sweep_knob_{position}"
    if st.session_state.get(key, default) not in (*optional, *offered):
        st.session_state[key] = optional[0] if optional else offered[0]
    chosen = st.session_state.get(key, default)
    told = "Varying the seed tells how far results scatter: often the most useful sweep."
    return st.selectbox(
        "Second knob" if position else "Knob", (*optional, *offered), key=key, persist_state="session",
        index=(*optional, *offered).index(default) if default in offered else 0,
        format_func=lambda name: "none" if name == NONE else knobs.label(name),
        help=told if chosen == NONE else f"{knobs.help_text(chosen)}\n\n{told}",
    )  # fmt: skip


def _pick_values(name: str, base: RunConfig) -> tuple[Any, ...]:
    """The values of a knob: chosen among a few, or written with commas between them."""
    suggested = _suggested(name, base.model_dump_json(), suite_content(base.suite))
    listed, key = choices(name), f"sweep_values_{name}"
    text = f"Values of {knobs.label(name)}"
    if listed is not None:
        return tuple(
            st.multiselect(
                text, listed, default=suggested, key=key, persist_state="session",
                format_func=lambda value: knobs.value_words(name, value),
            )
        )  # fmt: skip
    # Another base suggests other values, unless these were written by hand.
    words = ", ".join(map(value_text, suggested))
    written = st.text_input(
        text, words, key=f"{key}_{words}", persist_state="session",
        help="With commas between them; the present value among them makes the cell that others are compared with.",
    )  # fmt: skip
    return parse_values(name, written)


@st.cache_data(max_entries=200, show_spinner=False)
def _suggested(name: str, base_json: str, content: str) -> tuple[Any, ...]:
    """A few values around the present one with which a run could be carried out."""
    base = RunConfig.model_validate_json(base_json)
    found = []
    definite = load_plan(base).config
    for value in suggested_values(name, getattr(definite, name)):
        try:
            load_plan(cell_config(base, {name: value}))
        except GradTagError:
            continue
        found.append(value)
    return tuple(found[:MOST_SUGGESTED])


def _cached(config: SweepConfig) -> tuple[str, Rates, str]:
    base = config.base
    return json.dumps(config.to_json()), rates_for(base), suite_content(base.suite)


@st.cache_resource(max_entries=30, show_spinner="Planning the sweep …")
def _work(config_json: str, rates: Rates, content: str) -> SweepWork:
    config = read_sweep_config(json.loads(config_json))
    return SweepWork.of(load_sweep_plan(config), dict(rates))
