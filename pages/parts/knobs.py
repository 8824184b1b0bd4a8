"""One widget per knob, made from its field in a configuration; and the form of a run."""

from collections.abc import Callable, Mapping
from functools import partial
from types import UnionType
from typing import Any, Literal, get_args, get_origin

import streamlit as st
from pydantic import BaseModel

from gradtag_core.config import METRIC_TITLES, PRESETS, RunConfig
from gradtag_core.runs.stages import STAGE_TITLES
from gradtag_core.tasks.registry import SuiteInfo, suite_infos

MAIN = (
    "suite", "n_tasks", "model", "metric", "n_inits", "proj_dim", "proxies_per_task", "pairwise",
    "n_subsets", "subset_size", "n_groups", "rounding", "rounding_threshold", "truth",
)  # fmt: skip
TRANSFORMER = ("pretrained", "lora_rank", "trained_layers", "max_tokens")
ADVANCED = tuple(name for name in RunConfig.model_fields if name not in (*MAIN, *TRANSFORMER))
# What a preset leaves alone: it says how well to estimate, not what, nor where.
NOT_PRESET = (
    "suite", "n_tasks", "model", *TRANSFORMER, "metric", "truth", "seed", "device", "memory", "threads",
)  # fmt: skip
CHOICE_TITLES: Mapping[str, Mapping[Any, str]] = {
    "metric": METRIC_TITLES,
    "model": {
        "automatic": "what suits the data",
        "sign": "SIGN",
        "mlp": "multilayer perceptron",
        "cnn": "convolutional network",
        "gcn": "GCN",
        "sage": "GraphSAGE",
        "gin": "GIN",
        "transformer": "pretrained transformer",
    },
    "projection": {
        "pca": "principal directions",
        "gaussian": "Gaussian",
        "rademacher": "random signs",
        "sjlt": "sparse random signs",
        "factored": "random signs, layer by layer",
        "identity": "none (exact)",
    },
    "weighting": {"rows": "every row", "tasks": "every task"},
    "rounding": {"spectral": "spectral, exactly k groups", "threshold": "threshold, as in the paper"},
}
EMPTY_MEANS = {
    "n_tasks": "all", "rounding_threshold": "searched", "memory": "no limit", "search_limit": "no limit",
    "pretrained": "all-MiniLM-L6-v2",
}  # fmt: skip
DEFAULT, CUSTOM, AUTOMATIC = "default", "custom", "automatic"
SAVED = "knob_values"
REFERENCE = "preset_before"  # the last one that filled the knobs


def defaults() -> dict[str, Any]:
    return {name: field.default for name, field in RunConfig.model_fields.items()}


def fill(values: Mapping[str, Any], preset: str = CUSTOM) -> None:
    """Set the knobs; call it before they are drawn, or in a callback."""
    st.session_state[SAVED] = {**present(), **values}
    st.session_state["preset"] = preset
    if preset != CUSTOM:
        st.session_state[REFERENCE] = preset
    for name in values:
        st.session_state.pop(_key(name), None)


def choose_suite(info: SuiteInfo) -> None:
    """Set the data set; knobs that count its tasks come down to what it has."""
    saved, most = present(), max(2, info.n_tasks - 1)
    fitted = {name: most for name in ("subset_size", "n_groups") if (saved[name] or 0) > most}
    if (saved["n_tasks"] or 0) > info.n_tasks:
        fitted["n_tasks"] = info.n_tasks
    fill({"suite": info.name, **fitted}, CUSTOM if fitted else st.session_state.get("preset", DEFAULT))


def fill_from_preset() -> None:
    """Set the knobs as the chosen preset says; "custom" changes nothing."""
    preset = st.session_state["preset"]
    if preset != CUSTOM:
        fill(preset_values(preset), preset)


def preset_values(preset: str) -> dict[str, Any]:
    """Every knob that a preset sets; it leaves alone what to estimate, and where."""
    values = {**defaults(), **PRESETS.get(preset, {})}
    return {name: value for name, value in values.items() if name not in NOT_PRESET}


def reset() -> None:
    """Set the knobs as the preset says that filled them last."""
    preset = reference()
    fill(preset_values(preset), preset)


def reference() -> str:
    """The preset that filled the knobs last."""
    return st.session_state.get(REFERENCE, DEFAULT)


def differences(values: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The knobs that are not as the last preset set them: (what they are, what the preset says)."""
    expected = preset_values(reference())
    return {
        name: (values[name], value)
        for name, value in expected.items()
        if name in values and values[name] != value
    }


def value_words(name: str, value: Any) -> str:
    """A value as the form shows it."""
    if value is None:
        return EMPTY_MEANS.get(name, AUTOMATIC)
    if isinstance(value, bool):
        return "on" if value else "off"
    titles = CHOICE_TITLES.get(name, {})
    return titles.get(value, f"{value:g}" if isinstance(value, float) else f"{value}")


def draw_knobs() -> dict[str, Any]:
    """Draw every knob and return the values, not checked yet; leaving the page does not lose them."""
    values: dict[str, Any] = {}
    with st.grid(min_column_width=200, vertical_alignment="bottom"):
        for name in MAIN:
            values[name] = _draw(name, values)
    if _is_transformer(values):
        with (
            st.expander("Pretrained transformer"),
            st.grid(min_column_width=200, vertical_alignment="bottom"),
        ):
            for name in TRANSFORMER:
                values[name] = _draw(name, values)
    with st.expander("Advanced"), st.grid(min_column_width=200, vertical_alignment="bottom"):
        for name in ADVANCED:
            values[name] = _draw(name, values)
    st.session_state[SAVED] = {**present(), **values}
    return values


def _is_transformer(values: Mapping[str, Any]) -> bool:
    suited = {info.name: info.default_model for info in suite_infos()}
    return (values["model"] or suited[values["suite"]]) == "transformer"


def help_text(name: str, config: type[BaseModel] = RunConfig) -> str:
    """What a knob does, its symbol, where the paper has it, and what a change repeats in a run."""
    field = config.model_fields[name]
    extra: Any = field.json_schema_extra
    parts = [f"{field.description}"]
    if extra["symbol"]:
        parts.append(f"Symbol: {extra['symbol']}.")
    if extra["paper"]:
        parts.append(f"In the paper: {extra['paper']}.")
    if config is RunConfig and extra["stage"] in STAGE_TITLES:
        parts.append(f"A change repeats the run from “{STAGE_TITLES[extra['stage']]}” on.")
    return "\n\n".join(parts)


def label(name: str, config: type[BaseModel] = RunConfig) -> str:
    field = config.model_fields[name]
    extra: Any = field.json_schema_extra
    return f"{field.title} ({extra['symbol']})" if extra["symbol"] else f"{field.title}"


def _draw(name: str, earlier: Mapping[str, Any]) -> Any:
    """One widget; a threshold that the rounding does not use is None."""
    key = _key(name)
    if key not in st.session_state:
        value = present()[name]
        st.session_state[key] = first_value(name, value)
    off = (name == "rounding_threshold" and earlier["rounding"] != "threshold") or (
        name in ("n_subsets", "subset_size") and earlier["pairwise"]
    )
    common: dict[str, Any] = {"key": key, "help": help_text(name), "on_change": _mark_custom, "disabled": off}
    value = widget(name)(label(name), **common)
    return None if value in (AUTOMATIC, "") or (off and name == "rounding_threshold") else value


def first_value(name: str, value: Any, config: type[BaseModel] = RunConfig) -> Any:
    """What the widget of a knob must hold to mean `value`."""
    return AUTOMATIC if value is None and _is_choice(name, config) else value


def widget(name: str, config: type[BaseModel] = RunConfig) -> Callable[..., Any]:
    """The widget that suits the type of the knob's field; `AUTOMATIC` stands for a choice that is left open."""
    kind, optional = _kind(name, config)
    if name == "suite":
        return _select({info.name: info.title for info in suite_infos()})
    if _is_choice(name, config):
        titles = CHOICE_TITLES.get(name, {})
        choices = ((AUTOMATIC,) if optional else ()) + get_args(kind)
        return _select({choice: titles.get(choice, choice) for choice in choices})
    if kind is bool:
        return st.toggle
    if kind is str:
        return partial(st.text_input, placeholder=EMPTY_MEANS.get(name))
    number: dict[str, Any] = {"step": 1} if kind is int else {"step": _step(name, config), "format": "%g"}
    if optional:
        number |= {"value": None, "placeholder": EMPTY_MEANS.get(name, AUTOMATIC)}
    return lambda text, **common: st.number_input(text, **number, **common)


def _select(titles: Mapping[str, str]) -> Callable[..., Any]:
    return lambda text, **common: st.selectbox(
        text, list(titles), format_func=lambda choice: titles[choice], **common
    )


def _is_choice(name: str, config: type[BaseModel]) -> bool:
    return get_origin(_kind(name, config)[0]) is Literal


def _kind(name: str, config: type[BaseModel]) -> tuple[Any, bool]:
    """(type, whether it may be empty) of a field."""
    annotation: Any = config.model_fields[name].annotation
    parts = (
        get_args(annotation)
        if isinstance(annotation, UnionType) or type(None) in get_args(annotation)
        else ()
    )
    if not parts:
        return annotation, False
    return next(part for part in parts if part is not type(None)), type(None) in parts


def _step(name: str, config: type[BaseModel]) -> float:
    return config.model_fields[name].default or 0.01


def present() -> dict[str, Any]:
    """The knobs as they stand on the Estimate page, not checked."""
    return st.session_state.get(SAVED) or defaults()


def _mark_custom() -> None:
    st.session_state["preset"] = CUSTOM


def _key(name: str) -> str:
    return f"knob_{name}"
