"""The stored runs and studies that ship: readable, made from the data that ships, and by the command that they name."""

import json

import pytest

from gradtag_core.runs.command import command_line, study_command_line
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.start import load_plan, load_study_plan, load_sweep_plan, open_store
from gradtag_core.runs.study_record import StudyRecord
from gradtag_core.runs.sweep import fingerprint_of
from gradtag_core.runs.sweep_plan import sweep_command_line
from gradtag_core.runs.sweep_record import SweepRecord

JOINED = {"train", "featurize", "regress", "proxies", "groups", "truth"}
SAMPLES = {
    "sample-debian": JOINED,
    "sample-debian-text": {"train", "featurize", "regress", "truth"},  # gradients alone, by a transformer
    "sample-yeast": JOINED,
}
STUDIES = ["sample-study-debian", "sample-study-yeast"]  # of data that ships
FIGURES = "sample-study-amazon"  # of data that does not
SWEEP = "sample-sweep-yeast"


@pytest.fixture
def record(request):
    return RunRecord(open_store().run_folder(request.param))


def test_the_store_lists_them_and_finds_no_fault():
    store = open_store()
    assert {row.id for row in store.list() if row.sample} == {*SAMPLES, *STUDIES, FIGURES, SWEEP}
    assert {row.id for row in store.list("study") if row.sample} == {*STUDIES, FIGURES}
    assert store.problems == []


@pytest.mark.parametrize("record", SAMPLES, indirect=True)
def test_they_hold_estimate_truth_groups_and_costs(record):
    summary = record.summary
    assert summary.costs.keys() == SAMPLES[summary.id]
    assert len(record.trained.seeds) == 2
    assert sum(map(len, record.grouping.groups)) == len(summary.task_names)
    json.dumps(record.comparison().to_json(), allow_nan=False)


@pytest.mark.parametrize("record", SAMPLES, indirect=True)
def test_they_come_from_the_data_and_the_command_that_they_name(record):
    assert load_plan(record.config).suite.fingerprint == record.summary.fingerprint
    assert command_line(record.config) == record.summary.command


@pytest.mark.parametrize("study_id", STUDIES)
def test_studies_hold_every_method_at_three_seeds_and_come_from_their_command(study_id):
    study = StudyRecord(open_store().run_folder(study_id))
    plan = load_study_plan(study.config)
    assert plan.suite.fingerprint == study.summary.fingerprint
    assert study_command_line(study.config) == study.summary.command
    records = study.records()
    assert {record.method for record in records} == {info.name for info in plan.methods}
    assert {record.n_seeds for record in records} == {3} and not study.summary.failed
    assert not any(record.estimated for record in records)


def test_the_figures_of_the_paper_s_graph_are_read_without_it():
    study = StudyRecord(open_store().run_folder(FIGURES))
    assert len(study.summary.task_names) == 100 and study.config.metric == "f1"
    assert {"single_task", "grad_tag", "verse"} <= {record.method for record in study.records()}


def test_the_sweep_holds_every_cell_and_comes_from_its_command_and_data():
    store = open_store()
    (row,) = (row for row in store.list("sweep") if row.sample)
    sweep = SweepRecord(store.run_folder(row.id))
    assert row.id == SWEEP and sweep_command_line(sweep.config) == sweep.summary.command
    assert set(sweep.results) == set(range(sweep.config.n_cells)) and not sweep.summary.failed
    assert "row_spearman" in sweep.measures and sweep.n_truths == 1
    plan = load_sweep_plan(sweep.config)
    assert fingerprint_of(plan) == sweep.summary.fingerprint
    assert all(sweep.cell(index).grouping is not None for index in sweep.results)
    sizes = [path.stat().st_size for path in sweep.folder.rglob("*") if path.is_file()]
    assert sum(sizes) < 300_000
