"""Every sentence follows from the numbers of the run."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtag_core.report.findings import Gains, find
from gradtag_core.report.story import group_lines, saved_ratio, story, story_of, strongest_pairs
from tests.report.made_runs import made_record


def words_of(told):
    return " ".join((*told.answer, *(verdict.text for verdict in told.trust), *told.method, *told.next_steps))


def with_gains(found, mean, spread):
    half = np.full(found.n_tasks, 0.5)
    return replace(found, gains=Gains(half + mean + spread * np.linspace(-1, 1, found.n_tasks), half))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return find(made_record(tmp_path_factory.mktemp("story") / "run"))


def test_a_clear_gain_is_the_answer(make_record):
    told = story(make_record(gain=0.1, spread=0.01))
    assert told.question == "Which of these 6 tasks should be learned together?"
    assert told.answer[0] == "Train 2 models, one for each group below, in place of 6 separate ones."
    assert "score +0.1000 in average precision" in told.answer[1] and "6 of 6 tasks gain" in told.answer[1]
    assert "less than the noise" not in told.answer[1]
    assert told.groups == (("task 0", "task 2", "task 4"), ("task 1", "task 3", "task 5"))
    assert told.facts[0].value == "2" and told.facts[0].meaning == "models in place of 6"


def test_a_gain_within_the_noise_is_none(found):
    told = story_of(with_gains(found, 0.001, 0.1))
    assert told.answer[0].startswith("Train one model for all 6 tasks, or 2 models")
    assert "The groups differ from one model for all by less than the noise." in told.answer[1]


def test_groups_that_are_worse_are_not_advised(found):
    told = story_of(with_gains(found, -0.1, 0.01))
    assert (
        told.answer[0] == "Train one model for all 6 tasks: it did better than the 2 groups that were found."
    )


@given(mean=st.floats(-0.3, 0.3), spread=st.floats(0, 0.2))
def test_the_headline_follows_the_gain_and_its_noise(found, mean, spread):
    changed = with_gains(found, mean, spread)
    by_task = changed.gains.by_task
    clear = abs(by_task.mean()) > 2 * by_task.std(ddof=1) / len(by_task) ** 0.5
    told = story_of(changed)
    assert ("less than the noise" in told.answer[1]) == (not clear)
    assert told.answer[0].startswith("Train 2 models") == (clear and mean > 0)
    assert ("did better" in told.answer[0]) == (clear and mean < 0)


def test_without_trained_groups_the_estimate_is_named_as_the_source(make_record):
    told = story(make_record(gain=None))
    assert told.answer[0].startswith("By the estimate: train 2 models")
    assert not any("test data" in sentence for sentence in told.answer)
    assert any("--train-groups" in step for step in told.next_steps)


def test_an_estimate_that_is_not_trusted_gives_no_advice(make_record):
    told = story(make_record(gain=None, skill=-1.0))
    assert told.trust[0].level == "bad"
    assert told.answer[0].startswith("It is not clear yet")
    assert any("Do not rely on these groups yet" in step for step in told.next_steps)


def test_training_set_sizes_that_tell_as_much_are_named(make_record):
    told = story(make_record(n=12, sizes="tell", skill=0.6, truth=60))
    assert told.trust[0].level == "bad"
    assert "no better than comparing training-set sizes" in told.trust[0].text


def test_one_group_is_one_model(make_record):
    told = story(make_record(n_groups=1))
    assert told.answer[0] == "Train one model for all 6 tasks, in place of 6 separate ones."
    assert "the same thing" in told.answer[1]
    assert told.facts[0].meaning == "model in place of 6"
    assert "(k = 1)" in told.method[3]


def test_every_task_alone(make_record):
    told = story(make_record(n_groups=6))
    assert told.answer[0] == "Train each of the 6 tasks alone."
    assert group_lines(told)[0] == "1 task: task 0"


def test_without_truth_the_next_step_is_the_command_for_it(make_record):
    told = story(make_record(truth=0))
    assert told.trust[0].level == "unknown"
    assert any("--truth 15" in step for step in told.next_steps)
    assert told.method[4] == "The estimate was not compared with real training."
    assert not any("agreement" in fact.meaning for fact in told.facts)


def test_numeric_targets_have_concordance(make_record):
    record = make_record(numeric=True)
    told = story(record)
    assert told.metric == "auc" and told.metric_title.startswith("concordance")
    assert story(record, "loss").metric_title == "negated loss"


def test_five_hundred_tasks_are_not_all_named(make_record):
    names = tuple(f"a rather long name of task number {index}" for index in range(500))
    told = story(make_record(n=500, n_groups=10, names=names, truth=0, m=300))
    assert all(
        line.startswith("50 tasks: ") and line.endswith(" and 38 others") for line in group_lines(told)
    )
    assert max(len(sentence) for sentence in words_of(told).split(". ")) < 700
    assert sum(map(len, told.groups)) == 500


def test_the_method_has_the_run_s_own_numbers(make_record):
    told = story(make_record(config={"proj_dim": 77, "n_inits": 4, "base_epochs": 1}))
    assert len(told.method) == 5
    text = " ".join(told.method)
    for number in (
        "M = 4",
        "d = 77",
        "1 pass over",
        "m = 15",
        "α = 4",
        "k = 2",
        "80 %",
        "15 subsets",
        "2 seeds",
    ):
        assert number in text


def test_small_models_alone_and_pairs(make_record):
    record = make_record(config={"n_inits": 0, "pairwise": True})
    text = " ".join(story(record).method)
    assert "Small models were trained for real" in text and "M = 0" in text and "pairs of tasks" in text


def test_an_estimate_that_costs_more_than_training_saves_nothing(make_record):
    told = story(make_record(summary={"full_training_flops": 1e10}))
    assert any("here the estimate saved none" in sentence for sentence in told.answer)
    assert saved_ratio(find(make_record(truth=0, summary={"full_training_flops": 0.0}))) is None


def test_a_run_in_code_is_to_be_called_again(make_record):
    told = story(
        make_record(
            truth=0, summary={"command": "gradtag_core.run(gradtag_core.make_config(), suite=<mine>)"}
        )
    )
    assert told.in_code and any("gradtag_core.run again with truth=15" in step for step in told.next_steps)


def test_names_are_told_as_they_are(make_record):
    names = ("<script>alert(1)</script>", "=1+1", "a,b", "*bold*", "x\ny", "plain")
    told = story(make_record(names=names))
    assert any("<script>alert(1)</script>" in line for line in group_lines(told))
    assert not any("\n" in line for line in group_lines(told))


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_the_strongest_pairs_are_the_extremes(found, seed):
    values = np.random.default_rng(seed).normal(size=(6, 6))
    changed = replace(found, estimated=replace(found.estimated, values=values))
    relative = changed.relative
    helping, hurting = strongest_pairs(changed)
    cells = np.sort(relative[np.isfinite(relative)])
    assert [pair.effect for pair in helping] == list(cells[::-1][:3])
    assert [pair.effect for pair in hurting] == list(cells[:3])
    for pair in (*helping, *hurting):
        assert re.search(r"[+−]\d", pair.sentence)
        assert ("may be noise" in pair.sentence) == (abs(pair.effect) <= 2 * (pair.standard_error or 0.0))


def test_effects_of_nothing_name_no_pairs(found):
    flat = replace(found, estimated=replace(found.estimated, values=np.full((6, 6), 0.5)))
    assert strongest_pairs(flat) == ((), ())


def test_effects_of_a_single_subset_are_named_only_where_there_are_no_others(found):
    errors = found.estimated.standard_errors.copy()
    largest = np.unravel_index(np.nanargmax(found.relative), found.relative.shape)
    errors[largest] = np.nan
    helping, _ = strongest_pairs(replace(found, estimated=replace(found.estimated, standard_errors=errors)))
    assert all(pair.standard_error is not None for pair in helping)
    blank = replace(found.estimated, standard_errors=np.full_like(errors, np.nan))
    helping, _ = strongest_pairs(replace(found, estimated=blank))
    assert len(helping) == 3 and all("from a single subset" in pair.sentence for pair in helping)
