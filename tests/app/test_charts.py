import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from gradtag_core.figures.heatmap import affinity_heatmap
from gradtag_core.runs.row import RunRow
from pages.parts.cell_selection import element_class, picked_cell
from pages.parts.charts import _cells, _text
from pages.parts.downloads import matrix_table

ROOT = Path(__file__).parents[2]
GIVEN = (
    {"chart", "name", "cells"},
    {"chart", "selected"},
    {"part", "topic", "version", "drawn", "always", "height"},
)


def figure_page() -> None:
    import pandas as pd
    import plotly.graph_objects as go

    from pages.parts.charts import draw
    from pages.parts.heading import heading

    heading("Figures")
    table = pd.DataFrame({"task": ["=1+1"], "score": [-0.5]})
    draw(go.Figure(), key="plain", alt="Nothing.")
    draw(go.Figure(), key="told", alt="Nothing else.", caption="A caption.", table=lambda: table)


def components(app: AppTest) -> list[Any]:
    return [found.proto for found in app.get("bidi_component")]


def test_every_figure_has_words_and_tools_and_only_one_with_a_table_has_a_csv_file() -> None:
    app = AppTest.from_function(figure_page).run()
    assert not app.exception
    assert [chart.proto.alt for chart in app.get("plotly_chart")] == ["Nothing.", "Nothing else."]
    tools = [proto for proto in components(app) if proto.component_name == "gradtag_figure_tools"]
    assert [json.loads(proto.json) for proto in tools] == [
        {"chart": f"st-key-{key}", "name": key, "cells": False} for key in ("plain", "told")
    ]
    assert [caption.value for caption in app.caption] == ["A caption."]
    assert [button.proto.label for button in app.get("download_button")] == ["CSV"]


def test_a_page_begins_with_its_title_and_a_button_that_copies_its_address() -> None:
    app = AppTest.from_function(figure_page).run()
    assert app.title[0].value == "Figures"
    assert [proto.component_name for proto in components(app)].count("gradtag_copy_link") == 1


def test_the_component_is_given_nothing_that_a_user_wrote(
    open_page: Callable[[str], AppTest], make_run: Callable[..., RunRow]
) -> None:
    make_run(truth=True)
    app = open_page("affinity")
    assert components(app)
    for proto in components(app):
        if proto.json:
            assert set(json.loads(proto.json)) in GIVEN
            assert "alpha" not in proto.json


@pytest.mark.parametrize("sent", [[0, 0], [2, 4]])
def test_a_cell_of_the_map_is_taken(sent: list[int]) -> None:
    assert picked_cell({"cell": sent}, (3, 5)) == tuple(sent)


@pytest.mark.parametrize(
    "sent",
    [None, [], [1], [1, 2, 0], [-1, 0], [3, 0], [0, 5], [0.0, 1], ["0", "1"], [True, 1], "00", {"row": 0}],
)
def test_anything_else_that_a_browser_may_send_is_left_out(sent: object) -> None:
    assert picked_cell({"cell": sent}, (3, 5)) is None


def test_a_figure_without_a_heatmap_has_no_cells() -> None:
    assert picked_cell({"cell": [0, 0]}, None) is None


def test_the_cells_are_those_of_the_heatmap() -> None:
    figure = affinity_heatmap(np.eye(4), list("abcd"), order=np.array([3, 1]))
    assert _cells(figure) == (2, 2)


@pytest.mark.parametrize(("key", "name"), [("map_a", "st-key-map_a"), ("a b.c/ü", "st-key-a-b-c--")])
def test_the_class_is_the_one_that_streamlit_gives(key: str, name: str) -> None:
    assert element_class(key) == name


def test_the_names_of_rows_are_in_the_file_if_there_are_any() -> None:
    matrix = matrix_table(np.array([[0.0, -1.0], [1.0, 0.0]]), ["=a", "b"])
    assert _text(matrix).splitlines() == ["task,'=a,b", "'=a,0.0,-1.0", "b,1.0,0.0"]
    assert _text(matrix.reset_index(drop=True)).splitlines()[0] == "'=a,b"


def test_every_csv_file_of_the_app_is_written_where_formulas_are_escaped() -> None:
    assert [path.name for path in (ROOT / "pages").rglob("*.py") if "to_csv(" in path.read_text()] == []
