"""The stored runs that ship: readable, made from the data that ships, and by the command that they name."""

import json

import pytest

from gradtag_core.runs.command import command_line
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.start import load_plan, open_store

SAMPLES = ["sample-debian", "sample-yeast"]


@pytest.fixture
def record(request):
    return RunRecord(open_store().run_folder(request.param))


def test_the_store_lists_them_and_finds_no_fault():
    store = open_store()
    assert {row.id for row in store.list() if row.sample} == set(SAMPLES)
    assert store.problems == []


@pytest.mark.parametrize("record", SAMPLES, indirect=True)
def test_they_hold_estimate_truth_groups_and_costs(record):
    summary = record.summary
    assert summary.costs.keys() == {"train", "featurize", "regress", "proxies", "groups", "truth"}
    assert len(record.trained.seeds) == 2
    assert sum(map(len, record.grouping.groups)) == len(summary.task_names)
    json.dumps(record.comparison().to_json(), allow_nan=False)


@pytest.mark.parametrize("record", SAMPLES, indirect=True)
def test_they_come_from_the_data_and_the_command_that_they_name(record):
    assert load_plan(record.config).suite.fingerprint == record.summary.fingerprint
    assert command_line(record.config) == record.summary.command
