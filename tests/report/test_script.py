"""The figures of the report in the colours of the reader's screen."""

import json
import re

import pytest

from gradtag_core.report.findings import find
from gradtag_core.report.pictures import all_pictures
from gradtag_core.report.script import IN_DARK, SCRIPT

WORDS = set(re.findall(r'"(\w+)"', re.findall(r"WORDS = new Set\((.*?)\)", SCRIPT, re.DOTALL)[0]))


def recoloured(value):
    """What the script does, in Python."""
    if isinstance(value, str):
        return IN_DARK.get(value, value)
    if isinstance(value, list):
        return [recoloured(each) for each in value]
    if isinstance(value, dict):
        return {key: inner if key in WORDS else recoloured(inner) for key, inner in value.items()}
    return value


def test_a_figure_recoloured_is_the_figure_of_the_dark_theme(make_record):
    pictures = all_pictures(find(make_record()))
    assert len(pictures) >= 6
    for picture in pictures:
        light, dark = (json.loads(str(picture.draw(theme).to_json())) for theme in ("light", "dark"))
        assert recoloured(light) == dark, picture.key
        assert light != dark


def test_no_name_of_a_task_is_taken_for_a_colour(make_record):
    figures = [
        json.loads(str(picture.draw("light").to_json())) for picture in all_pictures(find(make_record()))
    ]
    assert sum("task 0" in json.dumps(figure) for figure in figures) >= 5
    assert not any("task 0" in json.dumps(without_words(figure)) for figure in figures)


def without_words(value):
    if isinstance(value, list):
        return [without_words(each) for each in value]
    if isinstance(value, dict):
        return {key: without_words(inner) for key, inner in value.items() if key not in WORDS}
    return value


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_reader_sees_figures_in_the_colours_of_the_screen_and_prints_light_ones(
    make_record, tmp_path, scheme
):
    sync_api = pytest.importorskip("playwright.sync_api")
    from gradtag_core.report.browser import NoBrowser, find_browser
    from gradtag_core.report.html import write_report

    try:
        browser_path = find_browser()
    except NoBrowser as error:
        pytest.skip(str(error))
    path = tmp_path / "report.html"
    write_report(make_record(), path)
    text = "getComputedStyle(document.querySelector('.plot .xtick text')).fill"
    colours = {"light": "rgb(31, 42, 51)", "dark": "rgb(230, 235, 238)"}
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(browser_path), args=["--no-sandbox"])
        page = browser.new_page(color_scheme=scheme)
        page.goto(path.as_uri())
        assert page.evaluate(text) == colours[scheme]
        page.emulate_media(color_scheme="dark" if scheme == "light" else "light")
        page.evaluate("new Promise((done) => setTimeout(done, 500))")  # a change is told later
        assert page.evaluate(text) == colours["dark" if scheme == "light" else "light"]
        page.emulate_media(color_scheme=scheme)
        page.evaluate("new Promise((done) => setTimeout(done, 500))")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.evaluate(text) == colours["light"]
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.evaluate(text) == colours[scheme]
        browser.close()
