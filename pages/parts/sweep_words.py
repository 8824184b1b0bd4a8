"""How cells, knobs and results of a sweep read."""

from collections.abc import Mapping
from typing import Any

from gradtag_core.runs.sweep_measures import CellResult, Measure
from gradtag_core.runs.sweep_record import SweepRecord
from pages.parts import knobs
from pages.parts.quantities import flops_text, seconds_text


def cell_values(record: SweepRecord) -> list[dict[str, Any]]:
    """The values of the knobs in each cell, in the order of the grid."""
    return [values for values, _ in record.config.cells()]


def cell_words(values: Mapping[str, Any]) -> str:
    """Projected dimension (d) 50, Initialisations (M) 2."""
    return ", ".join(
        f"{knobs.label(name)} {knobs.value_words(name, value)}" for name, value in values.items()
    )


def number_text(measure: Measure, value: float | None, error: float | None) -> str:
    """A result with its standard error, in its unit."""
    if value is None:
        return "–"
    if measure == "flops":
        return flops_text(value)
    if measure == "seconds":
        return seconds_text(value)
    if measure == "n_groups":
        return f"{value:.0f}"
    if measure in ("gap", "share_of_ceiling"):
        return f"{100 * value:.1f} %" + ("" if error is None else f" ± {100 * error:.1f}")
    sign = "+" if measure == "gain" else ""
    digits = 4 if measure in ("gain", "density") else 3
    return f"{value:{sign}.{digits}f}" + ("" if error is None else f" ± {error:.{digits}f}")


def result_text(result: CellResult | None, measure: Measure) -> str:
    return "–" if result is None else number_text(measure, *result.value(measure))
