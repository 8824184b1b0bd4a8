"""A new study: its knobs, what it will cost, and the button that starts it."""

from typing import Any

import pandas as pd
import streamlit as st

from gradtag_core.errors import GradTagError
from gradtag_core.methods.protocol import METHODS, find_method
from gradtag_core.runs.command import study_command_line
from gradtag_core.runs.study_forecast import expected_flops
from gradtag_core.runs.study_plan import StudyPlan
from gradtag_core.runs.study_rates import expected_seconds, measured_method_rates
from gradtag_core.study_config import REFERENCES, StudyConfig, make_study_config
from pages.parts import knobs
from pages.parts.errors import shown_errors
from pages.parts.forecast import source_of_rates
from pages.parts.pareto_picker import forget_view
from pages.parts.places import show_places
from pages.parts.quantities import flops_text, seconds_text
from pages.parts.state import start_study, store

MAIN = ("suite", "n_tasks", "seeds", "metric", "n_groups", "search_limit", "model", "width", "epochs")
FORM, STARTED = "new_study", "study_started"
SAVED = "study_knob_values"
START = {"seeds": 1}  # a first study should not take long


@st.fragment
def show_launcher() -> None:
    """A form that is made when it is opened; only it answers to its knobs."""
    with shown_errors(), st.expander("New study", key=FORM, on_change="rerun") as box:
        if not box.open:
            return
        left, right = st.columns([3, 2], gap="large")
        with left:
            values = _draw_knobs()
        with right:
            config = _checked(values)
            if config is not None:
                _show_forecast(config)
                show_places()
            st.button(
                "Start the study", type="primary", icon=":material/play_arrow:", disabled=config is None,
                key="start_study", on_click=_start, args=(config,),
            )  # fmt: skip
            if config is not None:
                st.caption("The same on the command line:")
                st.code(study_command_line(config), language="bash", wrap_lines=True)
        # Last: widgets that a run of the script does not reach forget their values.
        if st.session_state.pop(STARTED, False):
            st.toast("The study has started: the top of the page shows how far it is.")
            st.rerun()


def _start(config: StudyConfig) -> None:
    """Start the study and let the whole page show it."""
    with shown_errors():
        start_study(config)
        forget_view()
        st.session_state[STARTED] = True


def _draw_knobs() -> dict[str, Any]:
    """Draw every knob and return the values, not checked yet; leaving the page does not lose them."""
    saved = st.session_state.get(SAVED) or {
        **{name: field.default for name, field in StudyConfig.model_fields.items()}, **START,
    }  # fmt: skip
    values: dict[str, Any] = {}
    with st.grid(min_column_width=180, vertical_alignment="bottom"):
        for name in MAIN:
            values[name] = _knob(name, saved)
    values["methods"] = _pick_methods(values, saved)
    st.markdown("**Advanced**")
    with st.grid(min_column_width=180, vertical_alignment="bottom"):
        for name in StudyConfig.model_fields:
            if name not in values:
                values[name] = _knob(name, saved)
    st.session_state[SAVED] = values
    return values


def _knob(name: str, saved: dict[str, Any]) -> Any:
    key = f"study_knob_{name}"
    if key not in st.session_state:
        st.session_state[key] = knobs.first_value(name, saved[name], StudyConfig)
    text, help_text = knobs.label(name, StudyConfig), knobs.help_text(name, StudyConfig)
    value = knobs.widget(name, StudyConfig)(text, key=key, help=help_text)
    return None if value == knobs.AUTOMATIC else value


def _pick_methods(values: dict[str, Any], saved: dict[str, Any]) -> tuple[str, ...] | None:
    """The methods beside the references, of those that apply; the others with the reason."""
    left_out = _left_out(values)
    names = [info.name for info in METHODS if info.name not in (*REFERENCES, *left_out)]
    key = "study_knob_methods"
    # Those of another data set may not apply; others are names that the user typed, as grad_tag_m3.
    chosen = [name for name in st.session_state.get(key, saved["methods"] or ()) if name not in left_out]
    st.session_state[key] = chosen
    st.multiselect(
        knobs.label("methods", StudyConfig), [*names, *(name for name in chosen if name not in names)],
        key=key, format_func=_method_title, placeholder=f"all that apply ({len(names) + len(REFERENCES)})",
        accept_new_options=True,
        help=knobs.help_text("methods", StudyConfig) + "\n\nGrad-TAG with another number of base models can be typed: "
        "grad_tag_m5 has five.",
    )  # fmt: skip
    if left_out:
        reasons = "\n\n".join(left_out.values())
        st.caption(f"{len(left_out)} methods do not apply to this data set.", help=reasons)
    return tuple(st.session_state[key]) or None


def _method_title(name: str) -> str:
    try:
        return find_method(name).title
    except GradTagError:
        return name  # the sentence is shown where the study is planned


def _left_out(values: dict[str, Any]) -> dict[str, str]:
    """Why methods do not apply to the chosen tasks; nothing where these are wrong themselves, which is told later."""
    try:
        config = make_study_config(suite=values["suite"], n_tasks=values["n_tasks"])
        return dict(_plan(config.model_dump_json()).left_out)
    except GradTagError:
        return {}


@st.cache_resource(max_entries=50, show_spinner="Planning the study …")
def _plan(config: str) -> StudyPlan:
    from gradtag_core.runs.start import load_study_plan

    return load_study_plan(StudyConfig.model_validate_json(config))


def _checked(values: dict[str, Any]) -> StudyConfig | None:
    """The configuration; None where a rule is broken, with the sentence drawn."""
    try:
        config = make_study_config(**values)
        _plan(config.model_dump_json())
        return config
    except GradTagError as error:
        st.error(str(error), icon=":material/error:")
        return None


def _show_forecast(config: StudyConfig) -> None:
    """FLOPs and time of one seed of each method and of the whole study."""
    plan = _plan(config.model_dump_json())
    flops, seconds = expected_flops(plan), expected_seconds(plan, measured_method_rates(store()))
    seeds = f"{config.seeds} seed{'s' if config.seeds > 1 else ''}"
    takes = "" if seconds is None else f", about **{seconds_text(config.seeds * sum(seconds.values()))}**"
    st.markdown(
        f"**{len(flops)} methods, {seeds}**: about **{flops_text(config.seeds * sum(flops.values()))}**{takes}."
    )
    order = sorted(flops, key=flops.__getitem__)
    table = {
        "Method": [find_method(name).title for name in order],
        "Work of one seed": [flops_text(flops[name]) for name in order],
        "Time": ["unknown" if seconds is None else seconds_text(seconds[name]) for name in order],
    }
    st.dataframe(
        pd.DataFrame(table), hide_index=True, width="stretch", height=min(35 * (len(order) + 1) + 3, 318)
    )
    st.caption(
        f"A forecast: searches differ. {source_of_rates('study')} What is finished is never computed again."
    )
