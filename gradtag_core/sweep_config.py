"""A sweep: one configuration of a run, and one or two of its knobs with the values that each takes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import UnionType
from typing import Any, Literal, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from gradtag_core.config import RunConfig, make_config
from gradtag_core.errors import InvalidInput, quoted

MOST_CELLS = 64
MOST_KNOBS = 2
# They say which data, by which files, or where to compute: no number to compare, or none that changes a result.
FIXED = ("suite", "pretrained", "device", "memory", "threads")
SWEEPABLE = tuple(name for name in RunConfig.model_fields if name not in FIXED)
EMPTY = "automatic"  # the word for a knob that is left open


@dataclass(frozen=True)
class SweepConfig:
    """`base` and the knobs that vary, in order; the cells are all combinations, the last knob fastest."""

    base: RunConfig
    vary: Mapping[str, tuple[Any, ...]]

    @property
    def knobs(self) -> tuple[str, ...]:
        return tuple(self.vary)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(map(len, self.vary.values()))

    @property
    def n_cells(self) -> int:
        return math.prod(self.shape)

    def cells(self) -> Iterator[tuple[dict[str, Any], RunConfig]]:
        """The values and the configuration of each cell; `InvalidInput` names the knobs and values of a bad one."""
        for combination in product(*self.vary.values()):
            values = dict(zip(self.vary, combination, strict=True))
            try:
                yield values, cell_config(self.base, values)
            except InvalidInput as error:
                raise InvalidInput(f"The cell {cell_text(values)} cannot be run: {error}") from error

    def to_json(self) -> dict[str, Any]:
        """The knobs of the base, as a run has them, and `vary`."""
        return {**self.base.model_dump(), "vary": {name: list(values) for name, values in self.vary.items()}}


def make_sweep_config(base: RunConfig, vary: Mapping[str, Sequence[Any]]) -> SweepConfig:
    """A sweep of `base` over the values of one or two knobs (None: left open, where the knob allows it).

    Raises `InvalidInput` for a knob that cannot vary, for values that its rule forbids or that come twice, for fewer
    than two cells and for more than `MOST_CELLS`.
    """
    if not 1 <= len(vary) <= MOST_KNOBS:
        raise InvalidInput(f"`vary` must name one or {MOST_KNOBS} knobs; found {len(vary)}.")
    for name, values in vary.items():
        _require_sweepable(name)
        repeated = [value for index, value in enumerate(values) if value in values[:index]]
        if not values or repeated:
            found = f"{value_text(repeated[0])} twice" if repeated else "none"
            raise InvalidInput(f"`{name}` must have different values; found {found}.")
    config = SweepConfig(base, {name: tuple(values) for name, values in vary.items()})
    if not 2 <= config.n_cells <= MOST_CELLS:
        raise InvalidInput(f"`vary` must make 2 to {MOST_CELLS} cells; found {config.n_cells}.")
    for _ in config.cells():
        pass
    return config


def read_sweep_config(stored: Mapping[str, Any]) -> SweepConfig:
    """The inverse of `SweepConfig.to_json`."""
    vary = stored.get("vary")
    if not isinstance(vary, dict) or not all(isinstance(values, list) for values in vary.values()):
        raise InvalidInput(f"`vary` must hold the values of each knob; found {vary!r}.")
    return make_sweep_config(make_config(None, **{k: v for k, v in stored.items() if k != "vary"}), vary)


def cell_config(base: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """The base with other values of some knobs; a rounding threshold asks for its rounding, as in a run."""
    given = {**base.model_dump(), **values}
    if values.get("rounding_threshold") is not None and "rounding" not in values:
        given["rounding"] = "threshold"
    return make_config(None, **given)


def parse_vary(texts: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Knobs with their values from texts such as `proj_dim=50,100,200`."""
    found: dict[str, tuple[Any, ...]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals:
            raise InvalidInput(
                f"`vary` must be a knob and its values, as proj_dim=50,100,200; found {text!r}."
            )
        if name in found:
            raise InvalidInput(f"`vary` must name each knob once; found `{name}` twice.")
        found[name] = parse_values(name, values)
    return found


def parse_values(name: str, text: str) -> tuple[Any, ...]:
    """The values of a knob from a text with commas between them; `automatic` leaves an optional one open."""
    _require_sweepable(name)
    return tuple(_parsed(name, word.strip()) for word in text.split(",") if word.strip())


def _parsed(name: str, word: str) -> Any:
    if word == EMPTY and is_optional(name):
        return None
    try:
        kind: Any = RunConfig.model_fields[name].annotation
        return TypeAdapter(kind).validate_strings(word)
    except ValidationError as error:
        rule = error.errors(include_url=False)[0]["msg"]
        raise InvalidInput(f"`{name}`: {rule[0].lower() + rule[1:]}; found {word!r}.") from error


def _require_sweepable(name: str) -> None:
    if name not in SWEEPABLE:
        raise InvalidInput(f"`vary` must name knobs among {quoted(SWEEPABLE, 99)}; found `{name}`.")


def value_text(value: Any) -> str:
    """A value as `parse_values` reads it."""
    if value is None:
        return EMPTY
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def cell_text(values: Mapping[str, Any]) -> str:
    """`proj_dim` = 50, `n_inits` = 2."""
    return ", ".join(f"`{name}` = {value_text(value)}" for name, value in values.items())


def is_optional(name: str) -> bool:
    return type(None) in get_args(RunConfig.model_fields[name].annotation)


def choices(name: str) -> tuple[Any, ...] | None:
    """The values of a knob that has few, in order; None for a number."""
    kind = _kind(name)
    if kind is bool:
        return (False, True)
    return get_args(kind) if get_origin(kind) is Literal else None


def _kind(name: str) -> Any:
    annotation: Any = RunConfig.model_fields[name].annotation
    if isinstance(annotation, UnionType) or type(None) in get_args(annotation):
        return next(part for part in get_args(annotation) if part is not type(None))
    return annotation


def suggested_values(name: str, present: Any) -> tuple[Any, ...]:
    """A few values around the present one: half and twice of it, a tenth and ten times of a penalty, next seeds,
    and all choices."""
    listed = choices(name)
    if listed is not None:
        return listed
    if name == "seed":
        return tuple(range(present, present + 4))
    if name == "l2":
        return tuple(float(f"{present * factor:.3g}") for factor in (0.01, 0.1, 1, 10))
    if present is None:
        return ()
    if _kind(name) is float:
        return tuple(float(f"{present * factor:.3g}") for factor in (0.5, 1, 2))
    if present <= 2:
        return tuple(range(max(min(1, present), present - 1), present + 3))
    return tuple(dict.fromkeys((present // 2, present, 2 * present)))
