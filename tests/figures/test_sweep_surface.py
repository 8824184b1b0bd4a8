"""The result surface of a sweep: numbers in cells, marks, and colours that do not make a trend of noise."""

from typing import Any

import numpy as np
import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.figures.sweep_surface import Cells, Knob, _ink, _linear, sweep_line, sweep_surface
from gradtag_core.figures.theme import PALETTES, colour_scale

ROWS, COLUMNS = Knob("Dimension (d)", ("50", "100")), Knob("Initialisations (M)", ("1", "2", "3"))
VALUES = np.array([0.1, 0.2, 0.3, 0.4, np.nan, 0.35])


def surface(*args, **options) -> Any:
    return sweep_surface(*args, **options)


def line_of(*args, **options) -> Any:
    return sweep_line(*args, **options)


def layout(figure) -> Any:
    return figure.layout


def cells(**change):
    texts = [f"{value:.1f} ± 0.1" if np.isfinite(value) else "failed" for value in VALUES]
    given = {"title": "Row Spearman", "values": VALUES, "errors": np.full(6, 0.1), "texts": texts, "best": 3,
             "alike": (5,), "base": 0}  # fmt: skip
    return Cells(**{**given, **change})


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_map_has_a_cell_for_each_pair_of_values_with_its_number(theme):
    figure = surface(ROWS, COLUMNS, cells(), theme=theme)
    (heat,) = figure.data
    np.testing.assert_array_equal(heat.z, VALUES.reshape(2, 3))
    assert (list(heat.y), list(heat.x)) == (["50", "100"], ["1", "2", "3"])
    texts = {(note.y, note.x): note.text for note in layout(figure).annotations}
    assert texts[(0, 1)] == "0.2<br>± 0.1" and texts[(1, 0)] == "★ 0.4<br>± 0.1"
    assert texts[(1, 2)].startswith("≈ ") and texts[(1, 1)] == "failed"
    assert layout(figure).yaxis.autorange == "reversed"
    assert "the best" in heat.customdata[1][0] and "the base cell" in heat.customdata[0][0]
    base, best = layout(figure).shapes
    assert (best.x0, best.y0, best.line.dash) == (-0.5, 0.5, "solid") and (base.y0, base.line.dash) == (
        -0.5,
        "dot",
    )


def test_noise_is_not_stretched_over_the_whole_scale():
    quiet = surface(ROWS, COLUMNS, cells(errors=np.full(6, 0.001))).data[0]
    noisy = surface(ROWS, COLUMNS, cells(errors=np.full(6, 0.5))).data[0]
    assert (quiet.zmin, quiet.zmax) == pytest.approx((0.1, 0.4))
    assert noisy.zmax - noisy.zmin == pytest.approx(2.0)
    same = surface(ROWS, COLUMNS, cells(values=np.full(6, 0.3), errors=np.full(6, np.nan))).data[0]
    assert same.zmin < 0.3 < same.zmax
    signed = surface(ROWS, COLUMNS, cells(signed=True)).data[0]
    assert signed.zmin == -signed.zmax == pytest.approx(-0.4)
    surface(ROWS, COLUMNS, cells(values=np.full(6, np.nan), best=None, alike=()))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["sequential", "diverging"])
def test_numbers_stand_out_from_every_colour(theme, name):
    colours = getattr(PALETTES[theme], name)
    scale = colour_scale(colours)
    for place, colour in scale:
        red, green, blue = _linear(colour)
        luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        contrast = (luminance + 0.05) / 0.05 if _ink(scale, place) == "#000000" else 1.05 / (luminance + 0.05)
        assert contrast >= 4.5


def test_the_line_has_error_bars_and_marks_the_best():
    knob = Knob("d", ("1", "2", "4", "8", "16", "32"))
    (line,) = line_of(knob, cells()).data
    assert list(line.x) == list(knob.values) and line.error_y.array[0] == 0.1
    assert list(line.marker.symbol) == ["circle-open"] * 3 + ["star", "circle-open", "circle"]
    (plain,) = line_of(knob, cells(best=None, alike=())).data
    assert set(plain.marker.symbol) == {"circle"}
    wide = layout(line_of(knob, cells(errors=np.full(6, 1.0)))).yaxis.range
    assert wide[1] - wide[0] >= 4


def test_titles_are_no_markup():
    figure = surface(Knob("<b>d", ("<i>", "2")), COLUMNS, cells(title="<script>"))
    assert layout(figure).yaxis.title.text == "&lt;b&gt;d" and figure.data[0].y[0] == "&lt;i&gt;"
    assert figure.data[0].colorbar.title.text == "&lt;script&gt;"


def test_every_cell_needs_its_entries():
    with pytest.raises(InvalidInput, match="`texts` must have one entry per cell, 6; found 1"):
        surface(ROWS, COLUMNS, cells(texts=["x"]))
    with pytest.raises(InvalidInput, match="`values` must have one entry per cell, 2; found 6"):
        line_of(ROWS, cells())
