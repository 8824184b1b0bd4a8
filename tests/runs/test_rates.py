import pytest

from gradtag_core.config import make_config
from gradtag_core.runs.rates import measured_rates
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.row import RunRow
from gradtag_core.runs.start import open_store


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store with nothing but the sample runs."""
    monkeypatch.setenv("GRADTAG_HOME", str(tmp_path))
    return open_store()


def costs(store, row: RunRow) -> dict[str, float]:
    found = RunRecord(store.run_folder(row.id)).summary.costs
    return {name: cost.flops / cost.seconds for name, cost in found.items() if cost.flops and cost.seconds}


def test_rates_come_from_models_of_the_same_sort(store):
    by_id = {row.id: row for row in store.list("run")}
    for suite, alike in {
        "yeast": ("sample-yeast", "sample-debian"),
        "debian-text": ("sample-debian-text",),
    }.items():
        rates = measured_rates(store, make_config(suite=suite))
        own = [costs(store, by_id[run_id]) for run_id in alike]
        assert set(rates) == set().union(*own)
        assert all(rate in [each.get(name) for each in own] for name, rate in rates.items())


def test_a_transformer_asked_for_by_name_is_one(store):
    asked = make_config(suite="digits", model="transformer")
    assert measured_rates(store, asked) == measured_rates(store, make_config(suite="debian-text"))
    assert measured_rates(store, make_config(suite="digits")) == measured_rates(
        store, make_config(suite="yeast")
    )


def test_runs_of_data_that_are_gone_and_of_models_in_code_teach_nothing(store, monkeypatch):
    rows = store.list("run")
    gone = [RunRow(**{**vars(row), "suite": "gone", "config": {**row.config, "model": None}}) for row in rows]
    in_code = [RunRow(**{**vars(row), "command": "gradtag_core.run(…)"}) for row in rows]
    for changed in (gone, in_code):
        monkeypatch.setattr(store, "list", lambda kind=None, changed=changed: changed)
        assert measured_rates(store, make_config(suite="yeast")) == {}


def test_what_this_machine_computed_comes_before_what_was_taken_in(store, monkeypatch):
    by_id = {row.id: row for row in store.list("run")}
    own = RunRow(**{**vars(by_id["sample-debian"]), "pid": 1})
    monkeypatch.setattr(store, "list", lambda kind=None: [by_id["sample-yeast"], own])
    rates = measured_rates(store, make_config(suite="yeast"))
    assert all(rates[name] == rate for name, rate in costs(store, own).items())
