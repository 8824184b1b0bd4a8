"""Each verdict follows from the numbers: turning a number turns the verdict."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.evaluation.agreement import Agreement
from gradtag_core.evaluation.comparison import Line
from gradtag_core.grouping.stability import Stability
from gradtag_core.report.findings import find
from gradtag_core.report.trust import FREE_LINES, verdicts
from tests.report.made_runs import made_record


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return find(made_record(tmp_path_factory.mktemp("trust") / "run"))


def line(row, error=0.02, fraction=None):
    return Line(Agreement(row, error, 0.0, 0.1, 0.3), fraction, 0.1)


def judged(
    found, *, row, error=0.02, size=0.1, labels=0.0, equal=0.0, repeat: float | None = 0.5,
    ceiling: float | None = 0.8,
):  # fmt: skip
    lines = {"train_size": line(size), "label_similarity": line(labels), "equal_flops": line(equal)}
    fraction = row / ceiling if ceiling else None
    comparison = replace(
        found.comparison,
        estimate=line(row, error, fraction),
        lines=lines,
        repeat_spearman=repeat,
        ceiling=ceiling,
    )
    return verdicts(replace(found, comparison=comparison))


def test_a_good_estimate_beats_what_costs_nothing(found):
    first, second, *_ = judged(found, row=0.6)
    assert first.level == "good"
    assert "0.60 ± 0.02" in first.text and "75 % of what is possible" in first.text
    assert "comparing training-set sizes (0.10) and comparing the labels of the tasks (0.00)" in first.text
    assert second.level == "good" and "less than the estimate" in second.text


@pytest.mark.parametrize("name", FREE_LINES)
def test_a_free_line_that_is_ahead_is_named(found, name):
    rivals = {"size": 0.7 if name == "train_size" else 0.0, "labels": 0.7 if name != "train_size" else 0.0}
    first = judged(found, row=0.6, **rivals)[0]
    assert first.level == "bad"
    assert f"no better than {FREE_LINES[name]} (0.70), which costs nothing" in first.text


def test_a_lead_within_the_noise_is_told(found):
    first = judged(found, row=0.6, size=0.59)[0]
    assert first.level == "caution" and "by no more than the noise" in first.text


def test_chance_is_called_chance(found):
    first = judged(found, row=0.03, size=-0.5)[0]
    assert first.level == "bad" and "no better than a random order" in first.text


def test_real_training_that_is_as_good_for_the_same_computing_is_told(found):
    second = judged(found, row=0.6, equal=0.6)[1]
    assert second.level == "caution" and "no less than the estimate" in second.text


def test_one_seed_leaves_the_noise_unknown(found):
    first, *rest = judged(found, row=0.6, repeat=None, ceiling=None)
    assert "With one seed, nobody knows" in first.text and "what is possible" not in first.text
    assert not any("same computing" in verdict.text for verdict in rest)


def test_a_truth_that_contradicts_itself_judges_nothing(found):
    first = judged(found, row=0.6, repeat=-0.1, ceiling=None)[0]
    assert first.level == "bad" and "too noisy to judge" in first.text


@given(
    row=st.floats(-1, 1), error=st.floats(0, 0.3), size=st.floats(-1, 1), labels=st.floats(-1, 1),
    equal=st.floats(-1, 1),
)  # fmt: skip
def test_a_verdict_is_good_only_where_everything_free_is_beaten(found, row, error, size, labels, equal):
    first, second, *_ = judged(found, row=row, error=error, size=size, labels=labels, equal=equal)
    rival = max(size, labels)
    beaten = row > 2 * error and rival < row and rival <= row - 2 * error
    assert (first.level == "good") == beaten
    assert (first.level == "bad") == (row <= 2 * error or max(size, labels) >= row)
    assert (second.level == "good") == (equal < row)


def test_without_truth_nothing_is_claimed(make_record):
    first = verdicts(find(make_record(truth=0)))[0]
    assert first.level == "unknown" and "nothing here tells how good the estimate is" in first.text


def test_without_standard_errors_none_are_told(found):
    blank = replace(found.estimated, standard_errors=np.full_like(found.estimated.values, np.nan))
    first = verdicts(replace(found, comparison=None, estimated=blank))[0]
    assert first.text.endswith("how good the estimate is.")


@pytest.mark.parametrize(("agreement", "level"), [(0.9, "good"), (0.6, "caution"), (0.1, "bad")])
def test_stability_has_three_levels(found, agreement, level):
    n = found.n_tasks
    stability = Stability(found.grouping, np.eye(n), np.ones(n), agreement, 0.01, 50)
    (verdict,) = [each for each in verdicts(replace(found, stability=stability)) if "drawn anew" in each.text]
    assert verdict.level == level and f"{agreement:.2f}" in verdict.text


@pytest.mark.parametrize(
    ("gap", "level", "words"),
    [(0.0, "good", "no other 2 groups fit better"), (0.05, "good", "95 %"), (0.5, "caution", "50 %")],
)
def test_the_gap_is_told(make_record, gap, level, words):
    last = verdicts(find(make_record(gap=gap)))[-1]
    assert last.level == level and words in last.text


def test_groups_that_cannot_be_otherwise_have_no_gap(make_record):
    assert not any("proven" in verdict.text for verdict in verdicts(find(make_record(n_groups=1))))
