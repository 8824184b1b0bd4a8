"""A whole run on a small suite: its stages, what is reused when a knob changes, and what survives a fault."""

import json
import os
import signal
import time
from collections import Counter

import numpy as np
import pytest

from gradtag_core.affinity.estimate import Estimator
from gradtag_core.config import make_config
from gradtag_core.errors import GradTagError, InvalidInput
from gradtag_core.progress import Reporter
from gradtag_core.runs import training_blocks
from gradtag_core.runs import units as units_module
from gradtag_core.runs.files import UnitCache
from gradtag_core.runs.process import launch
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.start import create_run, execute, load_plan, run
from gradtag_core.runs.store import RunStore
from gradtag_core.runs.units import Units

SMALL = {
    "suite": "digits", "model": "mlp", "n_tasks": 5, "width": 8, "epochs": 2, "base_epochs": 2, "n_inits": 2,
    "proj_dim": 8, "subset_size": 2, "n_subsets": 10, "n_groups": 2, "threads": 1,
}  # fmt: skip


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "home")


@pytest.fixture
def work_done(monkeypatch):
    """Counts the units that are computed rather than found."""
    done = Counter()

    def count(owner, attribute, name):
        original = getattr(owner, attribute)

        def counted(*args, **kwargs):
            done[name] += 1
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, attribute, counted)

    count(Estimator, "scores", "regress")
    count(units_module.Featurizer, "fit", "featurize")
    count(units_module.Trainer, "fit", "fit")
    return done


def results(record):
    return (
        record.affinity().values, record.grouping.labels, record.group_scores.grouped,
        record.trained.values if record.trained else None,
    )  # fmt: skip


def assert_same(first, second):
    for one, other in zip(results(first), results(second), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_run_leaves_everything_a_page_shows(store):
    record = run(make_config(None, **SMALL, truth=4), store)
    summary = record.summary
    assert list(summary.costs) == ["train", "featurize", "regress", "proxies", "groups", "truth"]
    assert all(cost.flops > 0 and cost.seconds > 0 for cost in summary.costs.values())
    assert summary.seconds == store.get(summary.id).seconds > 0
    affinity, losses = record.affinity(), record.affinity("loss")
    assert affinity is not None and affinity.counts.min() >= 1
    assert losses is not None and losses.values.max() < 0
    assert record.trained is not None and record.trained.seeds == record.config.truth_seeds
    assert record.group_scores is not None and record.group_scores.grouped.shape == (5, 5)
    comparison = record.comparison()
    assert comparison is not None
    json.dumps(comparison.to_json(), allow_nan=False)
    assert record.estimated is not None and summary.n_subsets == len(record.estimated.subsets)
    assert summary.row_spearman == comparison.estimate.agreement.row_spearman
    assert store.get(summary.id).state == "done"


def test_every_task_is_scored_on_the_test_split_by_its_groups_model(store):
    record = run(make_config(None, **SMALL), store)
    plan = load_plan(record.config)
    units = Units(plan, store.cache, Reporter(), lambda stage, key: None)
    seed, everything = record.config.truth_seeds[0], tuple(range(5))
    assert record.group_scores is not None and record.grouping is not None
    np.testing.assert_array_equal(record.group_scores.together, units.trained(everything, seed)[0]["test"])
    for group in range(2):
        members = tuple(np.flatnonzero(record.grouping.labels == group).tolist())
        scores, _ = units.trained(members, seed)
        assert not np.array_equal(scores["test"], scores["validation"])
        np.testing.assert_array_equal(record.group_scores.grouped[list(members)], scores["test"])


def test_two_stores_give_equal_numbers(store, tmp_path):
    config = make_config(None, **SMALL, truth=4)
    assert_same(run(config, store), run(config, RunStore(tmp_path / "other")))


def test_a_change_repeats_only_what_depends_on_it(store, work_done):
    run(make_config(None, **SMALL), store)
    assert work_done == {"fit": 2 + 3, "featurize": 2, "regress": 2}

    def repeated(**change):
        work_done.clear()
        run(make_config(None, **{**SMALL, **change}), store)
        return dict(work_done)

    assert repeated() == {}
    assert repeated(metric="loss", train_groups=False) == {}
    assert repeated(n_groups=3, train_groups=False) == {}
    assert repeated(pairwise=True, train_groups=False) == {"regress": 2}
    assert repeated(l2=1e-2, train_groups=False) == {"regress": 2}
    assert repeated(proj_dim=9, train_groups=False) == {"featurize": 2, "regress": 2}
    assert repeated(projection="identity", train_groups=False)["featurize"] == 2
    assert repeated(projection="identity", proj_dim=9, train_groups=False) == {}
    assert repeated(n_inits=3, train_groups=False) == {"fit": 1, "featurize": 1, "regress": 1}
    assert repeated(seed=1, n_inits=1, train_groups=False) == {"regress": 1}  # its base model is known
    assert repeated(base_epochs=3, n_inits=1, train_groups=False) == {"fit": 1, "featurize": 1, "regress": 1}


def test_a_failure_keeps_what_was_finished_and_resume_goes_on(store, monkeypatch):
    config = make_config(None, **SMALL, truth=4)
    expected = run(config, RunStore(store.home.parent / "undisturbed"))
    blocks = count_blocks(monkeypatch)
    real = UnitCache.put_json

    def breaks_at_the_last_block(self, stage, key, value):
        if stage == training_blocks.STAGE and len(list(self.root.glob(f"{stage}/*/*.json"))) == 2:
            raise GradTagError("The disk is full.")
        real(self, stage, key, value)

    monkeypatch.setattr(UnitCache, "put_json", breaks_at_the_last_block)
    row = execute(store, create_run(store, config).id)
    assert (row.state, row.error) == ("failed", "The disk is full.")
    partial = RunRecord(store.run_folder(row.id))
    kept, complete = partial.affinity(), expected.affinity()
    assert kept is not None and complete is not None
    np.testing.assert_array_equal(kept.values, complete.values)
    assert partial.group_scores is not None
    assert partial.trained is None

    monkeypatch.setattr(UnitCache, "put_json", real)
    blocks.clear()
    store.reopen(row.id)
    assert execute(store, row.id).state == "done"
    assert blocks == [0, 1]  # the small models and one of the two seeds of the truth were finished
    assert_same(RunRecord(store.run_folder(row.id)), expected)


def count_blocks(monkeypatch):
    """How many blocks each call trains."""
    counts, real = [], training_blocks.fit_and_score

    def counted(trainer, blocks, *args):
        counts.append(len(blocks))
        return real(trainer, blocks, *args)

    monkeypatch.setattr(training_blocks, "fit_and_score", counted)
    return counts


def test_a_killed_worker_is_noticed_and_its_run_resumes_to_the_same_result(store, tmp_path):
    config = make_config(None, **{**SMALL, "epochs": 30}, truth=10)
    expected = run(config, RunStore(tmp_path / "undisturbed"))
    row = create_run(store, config)
    pid = launch(store, row.id)
    assert pid is not None
    deadline = time.monotonic() + 60
    while not any((store.home / "cache").glob(f"{training_blocks.STAGE}/*/*.json")):
        assert time.monotonic() < deadline and store.get(row.id).state in ("queued", "running")
        time.sleep(0.005)
    os.killpg(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while store.get(row.id).state == "running" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert store.get(row.id).state in ("interrupted", "done")  # a quick worker may have been done already
    if store.get(row.id).state == "interrupted":
        assert "resume" in store.get(row.id).error
        store.reopen(row.id)
        assert execute(store, row.id).state == "done"
    assert_same(RunRecord(store.run_folder(row.id)), expected)


def test_a_damaged_unit_is_computed_again_and_said(store):
    config = make_config(None, **SMALL)
    expected = run(config, store)
    for path in (store.home / "cache" / "estimates").glob("*/*.safetensors"):
        path.write_bytes(path.read_bytes()[:-3])
    again = run(config, store)
    assert_same(again, expected)
    assert any("damaged" in warning for warning in again.summary.warnings)


def test_a_bad_configuration_stores_nothing(store):
    with pytest.raises(InvalidInput, match="`suite`"):
        create_run(store, make_config(None, suite="nosuch"))
    with pytest.raises(InvalidInput, match="`n_groups`"):
        create_run(store, make_config(None, **{**SMALL, "n_groups": 6}))
    assert store.list() == []


def test_deleting_one_run_keeps_the_units_that_another_uses(store, work_done):
    first = run(make_config(None, **SMALL), store)
    second = run(make_config(None, **{**SMALL, "proj_dim": 9}), store)
    store.delete(first.summary.id)
    work_done.clear()
    run(make_config(None, **{**SMALL, "proj_dim": 9}), store)
    assert work_done == {}
    store.delete(second.summary.id)
    for row in store.list():
        store.delete(row.id)
    assert store.cache.size_bytes() == 0


def test_progress_reaches_the_end(store):
    seen = []
    run(make_config(None, **SMALL), store, lambda progress, fraction, left: seen.append(fraction))
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1)
