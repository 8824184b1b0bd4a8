"""The page that explains: it draws without any run, and its numbers are those that the named commands give."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from gradtag_core.evaluation.comparison import Comparison
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.study_record import StudyRecord
from pages.parts.how_drawings import DRAWINGS
from pages.parts.how_limits import LIMITS, Limit

ROOT = Path(__file__).parents[2]
OpenPage = Callable[[str], AppTest]


def limit(title: str) -> Limit:
    (found,) = (each for each in LIMITS if title in each.title)
    return found


def sample(name: str) -> Comparison:
    comparison = RunRecord(ROOT / "sample_data" / "runs" / name).comparison()
    assert comparison
    return comparison


def test_the_page_explains_without_any_run(open_page: OpenPage) -> None:
    page = open_page("how")
    assert [each.value for each in page.header] == [
        "The method in six steps", "What the figures mean", "Limits", "Symbols", "References",
    ]  # fmt: skip
    text = " ".join(each.value for each in page.markdown)
    assert all(each.title in text for each in LIMITS)
    assert "2409.06091" in text
    assert len(page.latex) == 3


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", DRAWINGS)
def test_the_drawings_are_whole_pictures_with_words(name: str, theme: str) -> None:
    from xml.etree import ElementTree

    picture = ElementTree.fromstring(DRAWINGS[name].svg(theme))  # type: ignore[arg-type]
    assert len(picture) > 3
    assert DRAWINGS[name].alt.endswith(".")


def test_the_distance_and_the_ceiling_are_those_of_the_sample() -> None:
    debian = sample("debian")
    lines = {"estimate": debian.estimate, "random order": debian.lines["random"],
             "constant predictor": debian.lines["constant"]}  # fmt: skip
    table = limit("distance").table
    assert [row["By"] for row in table] == list(lines)
    for row in table:
        agreement = lines[row["By"]].agreement
        assert agreement.distance
        assert row["Row Spearman"] == f"{agreement.row_spearman:.2f}"
        assert row["Column Spearman"] == f"{agreement.column_spearman:.2f}"
        assert row["Distance"] == f"{100 * agreement.distance:.1f} %"
    share, ceiling = debian.estimate.row_spearman_fraction, debian.ceiling
    assert share and ceiling
    assert f"{100 * share:.0f} % of its ceiling of {ceiling:.2f}" in limit("noisy").text


def test_what_the_estimate_costs_is_that_of_the_samples() -> None:
    yeast, text = sample("yeast"), sample("debian-text")
    cheap = limit("Cheap").text
    assert f"takes {100 * yeast.estimate.flops_ratio:.0f} %" in cheap
    assert f"reaches {yeast.estimate.row_spearman_fraction:.2f} of the ceiling" in cheap
    assert f"FLOPs reaches {yeast.lines['equal_flops'].row_spearman_fraction:.2f}" in cheap
    ranks = {name: text.lines[name].agreement.row_spearman for name in ("equal_flops", "train_size")}
    ours = text.estimate.agreement.row_spearman
    assert re.findall(r"at (0\.\d\d)", limit("Texts").text) == [
        f"{ours:.2f}", f"{ranks['equal_flops']:.2f}", f"{ranks['train_size']:.2f}",
    ]  # fmt: skip
    assert f"{100 * text.estimate.flops_ratio:.1f} % of the FLOPs" in limit("Texts").text


def test_the_errors_of_the_study_are_those_of_the_sample() -> None:
    study = StudyRecord(ROOT / "sample_data" / "studies" / "debian")
    errors = {each.method: each.error for each in study.records()}
    text = limit("Grouping").text
    for name in ("naive_mtl", "random_groups", "grad_tag_accurate"):
        assert f"{errors[name]:.4f}" in text


def test_what_the_benchmarks_say_stands_in_their_readme() -> None:
    readme = (ROOT / "benchmarks" / "README.md").read_text()
    for line in (
        "| 5 epochs | 0.271 | 0.30 | 1.03 |",
        "| 10 epochs | 0.167 | 0.18 | 1.08 |",
        "| 20 epochs | 0.062 | 0.07 | 1.18 |",
        "| pca | 0.21 (0.5) | 0.30 (1.0) |",
        "| gaussian | 0.16 (1.8) | 0.23 (3.8) |",
        "| M=16 | 0.320 | 0.35 |",
        "| small models, 3% (415 subsets), additive | 0.583 | 0.64 |",
        "| joined: gradients + 274 small models, 3% | 0.533 | 0.58 |",
        "converged) | 0.157 | 0.17 |",
        "| preset accurate | 0.74 (13) | 0.72 (25) | 0.73 (9.8) | 0.73 (119) |",
    ):
        assert line in readme
