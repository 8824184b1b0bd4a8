"""A study over a small suite: resumed, cancelled, changed, and with a method that fails."""

from dataclasses import replace
from threading import Event

import numpy as np
import pytest

from gradtag_core.config import METRICS
from gradtag_core.errors import Cancelled, GradTagError, InvalidInput
from gradtag_core.methods.protocol import METHODS, Setting, run_method
from gradtag_core.progress import Reporter
from gradtag_core.runs import study as studies
from gradtag_core.runs.files import UnitCache
from gradtag_core.runs.row import RunRow
from gradtag_core.runs.start import create_study, execute, load_study_plan
from gradtag_core.runs.store import RunStore
from gradtag_core.runs.study import Pace, Study
from gradtag_core.runs.study_forecast import expected_flops
from gradtag_core.runs.study_plan import make_study_plan
from gradtag_core.runs.study_record import StudyRecord
from gradtag_core.study_config import REFERENCES, make_study_config

SMALL = {"suite": "digits", "n_tasks": 4, "width": 8, "epochs": 1, "methods": "tag,hoa", "seeds": 2}
NAMES = {*REFERENCES, "tag", "hoa"}
ROW = RunRow(
    "study-1", "A study", "digits", "running", {}, "python -m gradtag_core pareto", 1.0, kind="study"
)


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "home")


@pytest.fixture
def run_units(monkeypatch):
    """The (method, seed) that are computed, in order."""
    done = []

    def counted(name: str, setting: Setting):
        done.append((name, setting.seed))
        return run_method(name, setting)

    monkeypatch.setattr(studies, "run_method", counted)
    return done


def finished(store, **change):
    row = execute(store, create_study(store, make_study_config(**{**SMALL, **change})).id)
    assert (row.state, row.error) == ("done", None)
    return StudyRecord(store.run_folder(row.id))


def scores(record):
    return {
        (method, seed): result.test.tolist()
        for method, own in record.results.items()
        for seed, result in own.items()
    }


def test_every_method_runs_at_every_seed_and_is_scored_as_by_itself(store, run_units):
    record = finished(store)
    assert set(run_units) == {(name, seed) for name in NAMES for seed in (0, 1)}
    assert len(run_units) == 10 and {name for name, seed in run_units[:5] if seed == 0} == NAMES
    plan = load_study_plan(record.config)
    recipe = studies.Recipe(1, plan.config.learning_rate, plan.config.batch_size, plan.config.weighting)
    setting = Setting(
        plan.suite, plan.architecture, recipe, studies.resolve_device("auto"), plan.n_groups, seed=1
    )
    alone = run_method("hoa", setting)
    stored = record.results["hoa"][1]
    np.testing.assert_array_equal(stored.test, alone.test)
    np.testing.assert_array_equal(stored.validation, alone.validation)
    assert (stored.groups, stored.cost.flops) == (alone.groups, alone.cost.flops)
    assert stored.served_by is not None and np.array_equal(stored.served_by, np.asarray(alone.served_by))
    assert stored.cost.peak_bytes > 0 and stored.cost.seconds > 0


def test_records_are_sorted_by_cost_and_can_be_asked_in_any_metric(store):
    record = finished(store)
    found = record.records()
    assert {each.method for each in found} == NAMES
    assert [each.flops for each in found] == sorted(each.flops for each in found)
    hoa = next(each for each in found if each.method == "hoa")
    column = METRICS.index("auc")
    by_hand = [1 - result.test[:, column].mean() for result in record.results["hoa"].values()]
    assert hoa.error == pytest.approx(np.mean(by_hand)) and hoa.n_seeds == 2
    losses = {each.method: each.error for each in record.records("loss")}
    assert losses["hoa"] == pytest.approx(
        -np.mean([r.test[:, 0].mean() for r in record.results["hoa"].values()])
    )
    groups = record.groups("hoa")
    assert groups is not None and set().union(*groups) == set(record.summary.task_names)
    assert record.groups("naive_mtl") is None or len(record.groups("naive_mtl") or []) == 1
    with pytest.raises(InvalidInput, match="found `etap`"):
        record.groups("etap")


def test_what_is_known_is_not_computed_again(store, run_units):
    first = finished(store)
    run_units.clear()
    assert scores(finished(store)) == scores(first)
    assert run_units == []
    finished(store, seeds=3, methods="hoa,mmoe")
    assert set(run_units) == {("mmoe", 0), ("mmoe", 1), *((name, 2) for name in NAMES - {"tag"}),
                              ("mmoe", 2)}  # fmt: skip
    run_units.clear()
    finished(store, search_limit=0.5, seeds=1)
    assert len(run_units) == 5  # another limit may change any search


def test_a_cancelled_study_keeps_what_it_has_and_ends_as_an_undisturbed_one(
    store, tmp_path, monkeypatch, run_units
):
    undisturbed = scores(finished(RunStore(tmp_path / "other")))
    run_units.clear()
    config = make_study_config(**SMALL)
    row = create_study(store, config)
    folder = store.run_folder(row.id)
    stop, real = Event(), studies.run_method

    def stopping(name, setting):
        if len(run_units) == 6:
            stop.set()
        return real(name, setting)

    monkeypatch.setattr(studies, "run_method", stopping)
    study = Study(load_study_plan(config), store.cache, StudyRecord(folder), reporter=Reporter(cancel=stop))
    with pytest.raises(Cancelled):
        study.run(row)
    kept = scores(StudyRecord(folder))
    assert 6 <= len(kept) < 10 and kept.items() <= undisturbed.items()
    monkeypatch.setattr(studies, "run_method", real)
    before = len(run_units)
    row = execute(store, row.id)
    assert row.state == "done" and scores(StudyRecord(folder)) == undisturbed
    assert len(run_units) - before <= 10 - len(kept)
    assert StudyRecord(folder).summary.seconds == row.seconds > 0


def test_a_method_that_fails_is_named_and_the_others_go_on(store, monkeypatch):
    real = studies.run_method

    def failing(name, setting):
        if name == "tag":
            raise GradTagError("The model diverged.")
        return real(name, setting)

    monkeypatch.setattr(studies, "run_method", failing)
    record = finished(store)
    assert set(record.results) == NAMES - {"tag"}
    assert record.summary.failed == {"tag": "The model diverged."}


def test_a_defect_is_no_method_that_fails(store, monkeypatch):
    def broken(name, setting):
        raise ZeroDivisionError

    monkeypatch.setattr(studies, "run_method", broken)
    row = create_study(store, make_study_config(**SMALL))
    with pytest.raises(ZeroDivisionError):
        execute(store, row.id)
    assert store.get(row.id).state == "failed"


def test_a_search_beyond_the_limit_is_estimated_and_said(store):
    record = finished(store, n_tasks=6, search_limit=1e-3, seeds=1)
    hoa = next(each for each in record.records() if each.method == "hoa")
    assert hoa.estimated and hoa.sample and not hoa.on_front
    full = next(each for each in finished(store, n_tasks=6, seeds=1).records() if each.method == "hoa")
    assert not full.estimated and hoa.flops == pytest.approx(full.flops, rel=0.05)  # charged in full


def test_units_that_a_study_used_go_with_it(store):
    record = finished(store)
    assert store.cache.size_bytes() > 0
    store.delete(record.folder.name)
    assert store.cache.size_bytes() == 0


# The plan


def suite_of(**change):
    return load_study_plan(make_study_config(**{**SMALL, **change}))


def test_without_names_all_methods_that_apply_are_compared():
    plan = suite_of(methods=None)
    graph = {info.name for info in METHODS if info.why_not(plan.suite)}
    assert {info.name for info in plan.methods} == {info.name for info in METHODS} - graph
    assert set(plan.left_out) == graph


def test_the_references_are_always_there_and_once():
    assert [info.name for info in suite_of(methods="naive_mtl,tag").methods] == [*REFERENCES, "tag"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methods": "tagg"}, r"`method` must be one of .*found `tagg`\. Did you mean `tag`"),
        ({"methods": "hoa,etap", "n_tasks": 2}, "`etap` needs at least 3 tasks; .* has 2"),
        ({"n_groups": 5}, "`n_groups` must be at most the number of tasks, 4; found 5"),
        ({"suite": "nowhere"}, "`suite`"),
    ],
)
def test_what_cannot_be_compared_is_refused_and_nothing_stored(store, change, message):
    with pytest.raises(InvalidInput, match=message):
        create_study(store, make_study_config(**{**SMALL, **change}))
    assert store.list() == []


def test_expected_flops_are_near_those_charged(store):
    record = finished(store, n_tasks=6, methods="pcgrad,mmoe,auto_lambda,boostmtl,tag,hoa,etap", seeds=1)
    expected = expected_flops(load_study_plan(record.config))
    for each in record.records():
        assert 1 / 4 < each.flops / expected[each.method] < 4, each.method
    exact = {each.method: each.flops for each in record.records() if each.method in REFERENCES}
    assert exact["naive_mtl"] == pytest.approx(expected["naive_mtl"])
    assert exact["single_task"] == pytest.approx(expected["single_task"])


def test_the_cheapest_method_is_known_before_anything_runs(store):
    record = finished(store, seeds=1)
    assert load_study_plan(record.config).cheapest_flops == pytest.approx(record.records()[0].flops)


def test_a_suite_of_ones_own_can_be_studied(tmp_path, small_suite):
    config = make_study_config(suite="own", width=8, epochs=2, seeds=1, methods="naive_mtl")
    record = StudyRecord(tmp_path / "own")
    record.folder.mkdir()
    Study(make_study_plan(config, small_suite), UnitCache(tmp_path / "cache"), record).run(
        replace(ROW, config=config.model_dump())
    )
    assert set(StudyRecord(record.folder).results) == set(REFERENCES)


# The pace


def test_the_fraction_grows_to_one_and_the_time_left_falls_to_nothing():
    pace = Pace({"a": 1.0, "b": 3.0}, ["a", "b", "a", "b"])
    assert pace.now(0) == (0.0, None)
    seen = []
    for done, (name, seconds) in enumerate([("a", 2.0), ("b", 12.0), ("a", 2.0)], start=1):
        pace.finished(name, seconds)
        seen.append(pace.now(done))
    fractions, left = zip(*seen, strict=True)
    assert fractions == pytest.approx([2 / 16, 14 / 28, 16 / 28], abs=0.01)  # b was thought to take 6
    assert left == pytest.approx([14, 14, 12], abs=0.1)
