"""A forecast of what is kept, held against what the run then computes."""

from collections import Counter

import pytest

from gradtag_core.config import make_config
from gradtag_core.runs.files import UnitCache
from gradtag_core.runs.kept import Kept, kept_units, plan_units, remaining
from gradtag_core.runs.plan import forecast
from gradtag_core.runs.start import create_run, execute, load_plan
from gradtag_core.runs.store import RunStore

SMALL = {
    "suite": "planted", "n_tasks": 6, "width": 8, "epochs": 2, "base_epochs": 2, "n_inits": 1, "proj_dim": 8,
    "subset_size": 3, "n_subsets": 12, "n_groups": 2, "proxies_per_task": 1, "truth": 6, "threads": 1,
}  # fmt: skip
FOLDERS = {
    "train": "base-models", "featurize": "features", "regress": "estimates", "groups": "trained",
}  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with one finished run of SMALL."""
    store = RunStore(tmp_path_factory.mktemp("home"))
    assert execute(store, create_run(store, make_config(None, **SMALL)).id).state == "done"
    return store


@pytest.fixture
def written(monkeypatch):
    """How many units are put into the cache: of the blocks, trainings."""
    count = Counter()

    def counted(name, size):
        real = getattr(UnitCache, name)

        def put(self, stage, key, value, *rest):
            count[stage] += size(stage, value)
            return real(self, stage, key, value, *rest)

        monkeypatch.setattr(UnitCache, name, put)

    counted("put_arrays", lambda stage, value: 1)
    counted("put_json", lambda stage, value: len(value["costs"]) if stage == "trained-blocks" else 1)
    return count


def test_an_empty_store_keeps_nothing_and_does_not_know_the_groups(tmp_path):
    kept = kept_units(plan_units(load_plan(make_config(None, **SMALL))), UnitCache(tmp_path))
    assert kept == {
        "train": Kept(1, 0), "featurize": Kept(1, 0), "regress": Kept(1, 0), "proxies": Kept(6, 0),
        "truth": Kept(12, 0), "groups": None,
    }  # fmt: skip


def test_of_a_finished_run_all_is_kept_and_nothing_is_left(store):
    plan = load_plan(make_config(None, **SMALL))
    kept = kept_units(plan_units(plan), store.cache)
    assert all(found is not None and found.kept == found.units > 0 for found in kept.values())
    assert kept["truth"] == Kept(12, 12) and kept["groups"] == Kept(3, 3)
    left = remaining(forecast(plan, {"train": 1e9, "featurize": 1e9, "regress": 1e9}), kept)
    assert left.seconds == 0 and left.flops_of("train", "featurize", "regress", "truth") == 0


CHANGES = [
    {"l2": 0.1},
    {"n_inits": 2},
    {"proj_dim": 4},
    {"n_groups": 3},
    {"metric": "f1"},
    {"truth": 8},
    {"seed": 1},
    {"proxies_per_task": 0},
    {"n_inits": 0},
    {"train_groups": False},
    {"epochs": 3},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_the_run_computes_exactly_what_the_forecast_says_is_not_kept(store, written, change):
    config = make_config(None, **{**SMALL, **change})
    plan = load_plan(config)
    units = plan_units(plan)
    kept = kept_units(units, store.cache)
    assert execute(store, create_run(store, config).id).state == "done"
    missing = {stage: found.units - found.kept for stage, found in kept.items() if found is not None}
    for stage, folder in FOLDERS.items():
        if stage in missing:
            assert written[folder] == missing[stage], stage
    assert written["trained-blocks"] == missing.get("proxies", 0) + missing.get("truth", 0)
    after = kept_units(units, store.cache)
    assert all(found is not None and found.kept == found.units for found in after.values())
    written.clear()
    assert execute(store, create_run(store, config).id).state == "done"
    assert not written


def test_groups_are_known_once_they_were_found_and_shared_ones_are_kept(store):
    config = make_config(None, **{**SMALL, "n_groups": 4})
    plan = load_plan(config)
    assert kept_units(plan_units(plan), store.cache)["groups"] is None
    without = make_config(None, **{**SMALL, "n_groups": 4, "train_groups": False})
    execute(store, create_run(store, without).id)
    found = kept_units(plan_units(plan), store.cache)["groups"]
    assert found is not None and found.units == 5 and 1 <= found.kept < 5  # the model of all tasks, at least
