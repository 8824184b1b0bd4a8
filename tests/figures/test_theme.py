import plotly.io
import pytest

from gradtag_core.figures.theme import PALETTES, blank_figure, colour_scale


def luminance(colour):
    """Relative luminance as WCAG 2 defines it."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first, second):
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_marks_can_be_read_on_the_page(theme):
    palette = PALETTES[theme]
    assert contrast(palette.text, palette.paper) >= 7
    assert contrast(palette.muted, palette.paper) >= 4.5
    for mark in (palette.accent, palette.above, palette.below):
        assert contrast(mark, palette.paper) >= 3


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_diverging_colours_leave_the_page_colour_evenly_on_both_sides(theme):
    palette = PALETTES[theme]
    from_page = [contrast(colour, palette.paper) for colour in palette.diverging]
    middle = len(from_page) // 2
    assert from_page[middle] < 1.2
    assert from_page[middle:] == sorted(from_page[middle:])
    assert from_page[: middle + 1] == sorted(from_page[: middle + 1], reverse=True)
    for below, above in zip(from_page[:middle], from_page[:middle:-1], strict=True):
        assert below == pytest.approx(above, rel=0.35)


def test_a_colour_scale_runs_from_zero_to_one():
    assert colour_scale(("#000000", "#888888", "#ffffff")) == [
        (0, "#000000"),
        (0.5, "#888888"),
        (1, "#ffffff"),
    ]


def test_a_figure_does_not_depend_on_the_default_template(monkeypatch):
    before = blank_figure("light").to_json()
    monkeypatch.setattr(plotly.io.templates, "default", "plotly_dark")
    assert blank_figure("light").to_json() == before
    assert blank_figure("dark").to_json() != before
