"""Table 1 of the paper for stored runs."""

from dataclasses import replace

import pytest

from gradtag_core.config import make_config
from gradtag_core.errors import InvalidInput
from gradtag_core.runs import linearise as module
from gradtag_core.runs.linearise import linearise
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.start import create_run, execute, open_store

SMALL = {
    "suite": "digits", "n_tasks": 4, "width": 4, "epochs": 2, "base_epochs": 1, "proj_dim": 4, "subset_size": 2,
    "n_subsets": 6, "proxies_per_task": 0, "train_groups": False, "n_groups": 2, "threads": 1,
}  # fmt: skip


@pytest.fixture
def store():
    return open_store()


def finished(store, **change):
    return execute(store, create_run(store, make_config(None, **{**SMALL, **change})).id)


def test_the_table_is_kept_with_the_run_and_its_base_model_is_the_cached_one(store):
    row = finished(store)
    record = RunRecord(store.run_folder(row.id))
    assert record.linearisation is None
    before = sorted(path.name for path in store.cache.root.rglob("*") if path.is_file())
    table = linearise(store, row.id, n_subsets=3)
    assert sorted(path.name for path in store.cache.root.rglob("*") if path.is_file()) == before
    assert len({each.subset for each in table.rows}) == 3 and len(table.complete) == 3
    assert {each.epochs for each in table.complete} == {2}
    assert RunRecord(record.folder).linearisation == table
    again = linearise(store, row.id, n_subsets=2)
    assert [*again.rows[: len(again.rows) // 2]] == [*table.rows[: len(table.rows) // 3]]
    assert RunRecord(record.folder).linearisation == again


def test_a_lost_base_model_is_trained_again_and_goes_with_the_run(store):
    row = finished(store)
    expected = linearise(store, row.id, n_subsets=1).rows
    for path in (store.cache.root / "base-models").rglob("*.safetensors"):
        path.unlink()
    assert linearise(store, row.id, n_subsets=1).rows == expected
    store.delete(row.id)
    assert not [path for path in store.cache.root.rglob("*") if path.is_file()]


def test_pairwise_runs_are_judged_on_pairs(store):
    row = finished(store, pairwise=True, n_subsets=None)
    assert {len(each.subset) for each in linearise(store, row.id, n_subsets=4).rows} == {2}


def test_samples_are_judged_and_left_as_they_are(store, monkeypatch):
    folder = store.run_folder("sample-yeast")
    before = sorted(path.name for path in folder.iterdir())
    asked = []

    def judged(trainer, base, subsets, recipe, reporter):
        asked.append((base.seed, subsets, recipe.epochs))
        return "table"

    monkeypatch.setattr(module, "linearisation_error", judged)
    assert linearise(store, "sample-yeast", n_subsets=2) == "table"
    assert [(seed, len(subsets), epochs) for seed, subsets, epochs in asked] == [(0, 2, 10)]
    assert sorted(path.name for path in folder.iterdir()) == before
    assert not store.cache.root.exists() or not any(store.cache.root.rglob("*.safetensors"))


def test_what_has_no_base_model_is_refused(store):
    with pytest.raises(InvalidInput, match="`sample-study-yeast` is a study"):
        linearise(store, "sample-study-yeast")
    queued = create_run(store, make_config(None, **SMALL))
    with pytest.raises(InvalidInput, match=f"`{queued.id}` is queued"):
        linearise(store, queued.id)
    alone = finished(store, n_inits=0, proxies_per_task=2, subset_size=2)
    with pytest.raises(InvalidInput, match=r"`n_inits` .* is 0"):
        linearise(store, alone.id)
    with pytest.raises(InvalidInput, match="`subsets` must be at least 1; found 0"):
        linearise(store, "sample-yeast", n_subsets=0)


def test_other_data_under_the_same_name_are_refused(store):
    row = finished(store)
    record = RunRecord(store.run_folder(row.id))
    record.write_summary(replace(record.summary, fingerprint="0" * 32))
    with pytest.raises(InvalidInput, match="`digits` has other content now"):
        linearise(store, row.id)
