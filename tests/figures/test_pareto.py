from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.evaluation.pareto import MethodRecord
from gradtag_core.evaluation.pareto_axis import price
from gradtag_core.figures.pareto import (
    BANDS,
    COLOURS,
    DIMMED,
    FAMILY_TITLES,
    SYMBOLS,
    family_of,
    names_style,
    pareto_figure,
)
from gradtag_core.methods.protocol import METHODS


def record(method, title, error, flops, *, estimated=False, n_seeds=3):
    sample = "12 of 91 subsets were trained <really>." if estimated else None
    se = 0.01 if n_seeds > 1 else None
    return MethodRecord(method, title, error, se, flops, flops / 1e9, 2_000_000, estimated, sample, n_seeds)


RECORDS = [
    record("naive_mtl", "Naive multitask", 0.5, 1e9),
    record("tag", "TAG", 0.45, 4e9),
    record("hoa", "HOA <b>", 0.47, 9e9),
    record("boostmtl", "BoostMTL", 0.40, 3e10, estimated=True),
    record("grad_tag", "Grad-TAG, M = 1", 0.42, 2e10, n_seeds=1),
]


def figure_of(records=RECORDS, axis: Any = "flops", **options) -> Any:
    return pareto_figure(price(records, axis), axis=axis, **options)


def drawn(figure):
    """(x, y, symbol, opacity) of every point by the first line of what is told about it."""
    points = {}
    for trace in figure.data:
        for index, text in enumerate(trace.hovertext or ()):
            name = text.split("<br>")[0]
            points[name] = (trace.x[index], trace.y[index], trace.marker.symbol[index], trace.opacity)
    return points


def test_every_method_is_a_point_filled_if_measured_and_pale_if_dominated():
    points = drawn(figure_of())
    assert points == {
        "<b>Naive multitask</b>, on the front": (1e9, 0.5, "square", 1.0),
        "<b>TAG</b>, on the front": (4e9, 0.45, "circle", 1.0),
        "<b>HOA &lt;b&gt;</b>": (9e9, 0.47, "circle", DIMMED),
        "<b>BoostMTL</b>": (3e10, 0.40, "circle-open", DIMMED),
        "<b>Grad-TAG, M = 1</b>, on the front": (2e10, 0.42, "diamond", 1.0),
    }


def test_the_front_is_a_step_line_through_measured_methods():
    front = figure_of().data[0]
    assert front.name == "Pareto front"
    assert list(front.x[:-1]) == [1e9, 4e9, 4e9, 2e10, 2e10]
    assert front.x[-1] > 3e10
    assert list(front.y) == [0.5, 0.5, 0.45, 0.45, 0.42, 0.42]


def test_the_front_is_the_same_in_whatever_order_the_methods_come():
    priced = price(RECORDS, "flops")
    fronts: list[Any] = [pareto_figure(methods).data[0] for methods in (priced, priced[::-1])]
    assert len({(front.x, front.y) for front in fronts}) == 1


def test_a_wider_figure_names_more_of_a_crowd():
    crowd = [record("mmoe", f"Method {index}", 0.44 + index / 200, 1e10 * 1.3**index) for index in range(12)]
    counts = [len(names) for names in names_by_band(figure_of(RECORDS + crowd, every_width=True)).values()]
    assert counts[-1] > counts[0]


def test_error_bars_are_one_standard_error_and_none_for_one_seed():
    bars = {text.split("<br>")[0]: bar for trace in figure_of().data if trace.hovertext
            for text, bar in zip(trace.hovertext, trace.error_y.array, strict=True)}  # fmt: skip
    assert bars["<b>TAG</b>, on the front"] == 0.01
    assert bars["<b>Grad-TAG, M = 1</b>, on the front"] == 0.0


def test_the_legend_tells_families_and_estimated_from_measured():
    legend = [trace.name for trace in figure_of().data if trace.showlegend is not False]
    families = [FAMILY_TITLES[name] for name in ("references", "groups", "gradients")]
    assert legend == ["Pareto front", *families, "measured", "search estimated"]
    without = [trace.name for trace in figure_of(RECORDS[:3]).data if trace.showlegend is not False]
    assert "search estimated" not in without and "measured" not in without


def test_pointing_at_a_method_tells_its_whole_record():
    figure = figure_of(naive_flops=1e9, n_groups={"boostmtl": 3, "naive_mtl": None})
    told = {text.split("</b>")[0]: text for trace in figure.data for text in trace.hovertext or ()}
    boosted = told["<b>BoostMTL"].split("<br>")
    assert boosted[1:6] == [
        "Error: 0.4000 ± 0.0100 (3 seeds)", "FLOPs: 3e+10 (30.0 × naive multitask)", "Seconds: 30",
        "Peak memory: 2 MB", "Groups: 3",
    ]  # fmt: skip
    assert " ".join(boosted[6:]) == "Search estimated: 12 of 91 subsets were trained &lt;really&gt;."
    assert "One model, no groups" in told["<b>Naive multitask"]
    assert "(1 seed)" in told["<b>Grad-TAG, M = 1"]


def test_the_budget_is_marked_with_what_it_buys():
    figure = figure_of(budget=5e9, recommended="tag")
    shaded, line = figure.layout.shapes
    assert (line.x0, line.x1) == (5e9, 5e9)
    assert shaded.x1 == 5e9 and shaded.x0 < 1e9
    rings = [trace for trace in figure.data if trace.marker.size == 26]
    assert [(ring.x[0], ring.y[0]) for ring in rings] == [(4e9, 0.45)]
    texts = [text for trace in figure.data for text in trace.text or ()]
    assert "<b>TAG</b>" in texts and "Naive multitask" in texts
    assert not figure_of().layout.shapes


def names_by_band(figure):
    """The names that a figure holds, by the mark in their font."""
    written = [(text, trace.textfont.family) for trace in figure.data for text in trace.text or ()]
    written += [(each.text, each.font.family) for each in figure.layout.annotations if each.showarrow]
    found: dict[str, list[str]] = {}
    for text, family in written:
        found.setdefault(family.split(", ")[-1], []).append(text.replace("<b>", "").replace("</b>", ""))
    return found


@pytest.mark.parametrize("recommended", [None, "hoa"])
def test_each_width_names_the_front_the_recommended_and_grad_tag_once(recommended):
    crowd = [record("mmoe", "MMoE", 0.46 + index / 1e3, 1e10 + index * 1e8) for index in range(20)]
    found = names_by_band(figure_of(RECORDS + crowd, every_width=True, recommended=recommended))
    assert len(found) == len(BANDS)
    must = {"Naive multitask", "TAG", "Grad-TAG, M = 1"} | ({"HOA &lt;b&gt;"} if recommended else set())
    for names in found.values():
        assert must <= set(names)
        assert all(names.count(name) == 1 for name in must)


def test_a_figure_alone_holds_each_name_once():
    (names,) = names_by_band(figure_of()).values()
    assert sorted(names) == sorted({"Naive multitask", "TAG", "HOA &lt;b&gt;", "BoostMTL", "Grad-TAG, M = 1"})


def test_at_each_width_one_band_of_names_is_shown():
    css = names_style(".plot", "@media")
    marks = names_by_band(figure_of(every_width=True))
    for width in np.arange(300, 2600, 0.5):
        hidden = {
            rule.split("*=")[1].split("]")[0]
            for rule in css.splitlines()
            if (limit := float(rule.split("px")[0].split()[-1]))
            and ((width < limit) if "<" in rule else (width >= limit))
        }
        assert len(set(marks) - hidden) == 1
    assert css.count(".plot :is(text[style*=names-3], .annotation:has(text[style*=names-3]))") == 2


def test_other_axes_have_their_own_costs_and_titles():
    figure = figure_of(axis="seconds")
    assert figure.layout.xaxis.title.text.startswith("seconds")
    assert min(x for x, *_ in drawn(figure).values()) == 1.0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_method_has_a_family_with_colour_and_shape(theme):
    families = {family_of(info.name) for info in METHODS}
    assert families == set(FAMILY_TITLES)
    shapes, colours = list(SYMBOLS.values()), list(COLOURS[theme].values())
    assert len(set(shapes)) == len(shapes) and len(set(colours)) == len(colours)
    assert family_of("grad_tag_m7") == "gradients"
    figure_of(theme=theme)


def test_a_study_with_one_method_and_one_of_estimates_alone_can_be_drawn():
    figure_of(RECORDS[:1])
    alone = figure_of([replace(RECORDS[3])])
    assert not alone.data[0].x


def test_nothing_to_draw_is_refused():
    with pytest.raises(InvalidInput, match="`methods` must hold at least one"):
        pareto_figure([])
