"""A unit that is made in another process: the same numbers, and clear words where it cannot be."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from gradtag_core.config import make_config
from gradtag_core.progress import Reporter
from gradtag_core.runs.engine import elsewhere as process
from gradtag_core.runs.engine.elsewhere import compute_elsewhere, own_versions
from gradtag_core.runs.engine.shared_cache import SharedCache
from gradtag_core.runs.engine.work import MARKS, Job, UnitOrder, compute_unit, group_works, stage_works
from gradtag_core.runs.files import UnitCache, content_key
from gradtag_core.runs.kept import plan_units
from gradtag_core.runs.start import load_plan, load_study_plan
from gradtag_core.runs.study import method_works
from gradtag_core.runs.suites import add_suite, remove_suite
from gradtag_core.runs.units import Units
from gradtag_core.study_config import make_study_config

SMALL = {
    "suite": "digits", "model": "mlp", "n_tasks": 4, "width": 8, "epochs": 1, "base_epochs": 1, "n_inits": 2,
    "proj_dim": 4, "subset_size": 2, "n_subsets": 6, "n_groups": 2, "proxies_per_task": 2, "truth": 5,
}  # fmt: skip


@pytest.fixture(autouse=True)
def fresh_process():
    yield
    for kept in (process._units, process._study_plan, process._cache):
        kept.cache_clear()


@pytest.fixture
def plan():
    return load_plan(make_config(None, **SMALL))


@pytest.fixture
def cache(tmp_path):
    return UnitCache(tmp_path / "cache")


def order_of(plan, cache, work):
    mark = content_key("mark")
    cache.put_json(MARKS, mark, {})
    return UnitOrder(replace(Job.of(plan, cache, "cpu"), mark=mark), work, own_versions())


def all_works(plan):
    known = plan_units(plan)
    stages = stage_works(plan, known)
    assert stages.keys() == known.stages.keys()
    return [*(work for own in stages.values() for work in own), *group_works(plan, known, [(0, 1), (2, 3)])]


def test_a_unit_made_elsewhere_is_the_one_made_here(plan, cache, tmp_path):
    here = UnitCache(tmp_path / "here")
    units = Units(plan, here, Reporter(), lambda stage, key: None)
    for work in all_works(plan):
        done = compute_elsewhere(order_of(plan, cache, work))
        assert (done.error, done.damaged) == (None, ()) and str(os.getpid()) in done.place
        compute_unit(units, work)
        if work.unit.suffix == "json":
            one, other = (each.get_json(*work.unit[:2]) or {} for each in (here, cache))
            assert one["scores"] == other["scores"]
        else:
            (one, _), (other, _) = (each.get_arrays(*work.unit[:2]) or ({}, {}) for each in (here, cache))
            assert one.keys() == other.keys()
            assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_method_of_a_study_can_be_made_elsewhere(cache):
    plan = load_study_plan(
        make_study_config(suite="digits", n_tasks=4, width=8, epochs=1, methods="hoa", seeds=1)
    )
    (work,) = method_works(plan, [(plan.methods[0], 0)])
    assert compute_elsewhere(order_of(plan, cache, work)).error is None
    assert (cache.get_json(*work.unit[:2]) or {})["method"] == plan.methods[0].name


def test_a_unit_that_is_there_is_not_made_again(plan, cache, monkeypatch):
    work = all_works(plan)[0]
    compute_elsewhere(order_of(plan, cache, work))
    monkeypatch.setattr(process, "compute_unit", None)
    assert compute_elsewhere(order_of(plan, cache, work)).error is None


def test_a_damaged_file_is_told_of(plan, cache):
    first, second = all_works(plan)[0], stage_works(plan, plan_units(plan))["featurize"][0]
    compute_elsewhere(order_of(plan, cache, first))
    path = cache.path(*first.unit[:3])
    path.write_bytes(path.read_bytes()[:-9])
    done = compute_elsewhere(order_of(plan, cache, second))
    assert (done.error, done.damaged) == (None, (path.name,))


def test_orders_are_plain_data(plan, cache):
    order = order_of(plan, cache, all_works(plan)[-1])
    assert json.loads(order.job.config)["device"] == "cpu"
    assert hash(order) == hash(order_of(plan, cache, all_works(plan)[-1]))


def refusal(order):
    done = compute_elsewhere(order)
    assert done.error is not None
    return f"{done.error_type}: {done.error}"


def test_another_version_is_refused(plan, cache):
    order = order_of(plan, cache, all_works(plan)[0])
    for name in ("gradtag_core", "python", "torch"):
        versions = tuple((own, "0.0" if own == name else value) for own, value in own_versions())
        said = refusal(replace(order, versions=versions))
        assert said.startswith("InvalidInput: The worker ") and f"another version of `{name}`" in said


def test_a_cache_that_is_not_shared_is_told_before_anything_is_computed(plan, cache, tmp_path):
    order = order_of(plan, cache, all_works(plan)[0])
    order = replace(order, job=replace(order.job, cache=str(tmp_path / "local")))
    assert "does not see the units" in refusal(order) and "storage that all workers share" in refusal(order)
    assert not (tmp_path / "local").exists()


def test_a_suite_of_the_user_is_found_in_the_store_of_the_order(cache, small_suite, tmp_path, monkeypatch):
    home = tmp_path / "shared"
    monkeypatch.setenv("GRADTAG_HOME", str(home))
    add_suite(small_suite)
    config = {**SMALL, "suite": "small"}
    plan = load_plan(make_config(None, **config))
    order = order_of(plan, cache, all_works(plan)[0])
    monkeypatch.setenv("GRADTAG_HOME", str(tmp_path / "other"))
    elsewhere = replace(order, job=replace(order.job, home=str(tmp_path / "other")))
    assert "cannot make the plan" in refusal(elsewhere) and "storage that all workers share" in refusal(
        elsewhere
    )
    assert compute_elsewhere(order).error is None

    process._units.cache_clear()
    remove_suite("small")
    other = replace(small_suite, labels=1 - small_suite.labels)
    add_suite(other)
    next_unit = replace(order, work=all_works(plan)[1])
    assert "finds other content in the suite `small`" in refusal(next_unit)


def test_a_cache_at_a_url_is_read_and_written(plan, tmp_path):
    url = f"file://{tmp_path}/there"
    mine, own = SharedCache(url, tmp_path / "mine"), all_works(plan)
    for work in own[:3]:
        assert compute_elsewhere(order_of(plan, mine, work)).error is None
        assert not mine.path(*work.unit[:3]).exists()
        assert mine.get_arrays(*work.unit[:2]) is not None
