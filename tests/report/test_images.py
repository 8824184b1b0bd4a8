"""A real browser draws the figures; without one the first test is skipped."""

import struct
from xml.etree import ElementTree

import numpy as np
import pytest

from gradtag_core.figures.heatmap import affinity_heatmap
from gradtag_core.report.browser import BrowserFailed, NoBrowser, find_browser
from gradtag_core.report.densities import group_help
from gradtag_core.report.images import PNG_SCALE, WIDTH, draw_images


@pytest.mark.browser
def test_every_figure_is_drawn_in_one_pass():
    try:
        find_browser()
    except NoBrowser as error:
        pytest.skip(str(error))
    values = np.random.default_rng(0).normal(size=(3, 3))
    figures = {
        "map": affinity_heatmap(values, ["</script><b>x</b>", "ünï", "c"]),
        "bars": group_help(values, np.array([0, 0, 1]), score_title="score"),
    }
    drawn = draw_images(figures)
    assert list(drawn) == ["map", "bars"]
    for key, image in drawn.items():
        root = ElementTree.fromstring(image.svg)
        assert root.tag.endswith("svg") and float(root.attrib["width"]) == WIDTH
        assert float(root.attrib["height"]) == figures[key].layout["height"]
        assert image.png.startswith(b"\x89PNG")
        assert struct.unpack(">I", image.png[16:20])[0] == WIDTH * PNG_SCALE
    assert "ünï" in drawn["map"].svg.decode() and not ElementTree.fromstring(drawn["map"].svg).findall(
        ".//script"
    )


@pytest.mark.parametrize("answer", ["nothing", '<pre id="answer">[["data:,", ]]</pre>'])
def test_a_browser_that_answers_nonsense_is_told(tmp_path, monkeypatch, answer):
    path = tmp_path / "pretended"
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    monkeypatch.setenv("GRADTAG_BROWSER", str(path))
    with pytest.raises(BrowserFailed, match="drew"):
        draw_images({"bars": group_help(np.eye(2), np.array([0, 1]), score_title="score")})
