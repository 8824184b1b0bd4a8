"""Real sweeps over a small planted suite: equal to separate runs, resumed, cancelled, and with a cell that fails."""

from dataclasses import replace
from threading import Event

import numpy as np
import pytest

from gradtag_core.config import make_config
from gradtag_core.errors import Cancelled, GradTagError, InvalidInput, StoreError
from gradtag_core.evaluation.agreement import agreement
from gradtag_core.progress import Progress, Reporter
from gradtag_core.runs import sweep as sweeps
from gradtag_core.runs.plan import Forecast, Work
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.row import RunRow
from gradtag_core.runs.start import create_run, create_sweep, execute, load_sweep_plan, run
from gradtag_core.runs.store import RunStore
from gradtag_core.runs.sweep import Sweep, SweepPace
from gradtag_core.runs.sweep_record import SweepRecord
from gradtag_core.sweep_config import make_sweep_config

SMALL = {
    "suite": "planted", "n_tasks": 6, "width": 8, "epochs": 2, "base_epochs": 2, "proj_dim": 8, "subset_size": 3,
    "n_subsets": 12, "n_groups": 2, "proxies_per_task": 1, "truth": 6, "threads": 1,
}  # fmt: skip
GRID = {"proj_dim": (4, 8), "n_inits": (1, 2)}
BASE = 2  # the cell of SMALL in GRID


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "home")


def config_of(vary=None, **change):
    return make_sweep_config(make_config(None, **{**SMALL, **change}), vary or GRID)


def swept(store, config, state="done"):
    row = execute(store, create_sweep(store, config).id)
    assert row.state == state, row.error
    return SweepRecord(store.run_folder(row.id))


def matrices(record):
    assert record.estimated is not None and record.grouping is not None
    trained = None if record.trained is None else record.trained.values
    grouped = None if record.group_scores is None else record.group_scores.grouped
    return record.estimated.values, record.affinity().values, record.grouping.labels, trained, grouped


def assert_same(first, second):
    for one, other in zip(matrices(first), matrices(second), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished sweep of GRID: its store, its row and its record."""
    store = RunStore(tmp_path_factory.mktemp("home"))
    heard = []
    row = execute(store, create_sweep(store, config_of()).id, lambda *report: heard.append(report))
    assert row.state == "done"
    return store, row, SweepRecord(store.run_folder(row.id)), heard


def test_each_cell_is_bit_for_bit_the_run_that_it_would_be_by_itself(finished, tmp_path):
    _, _, record, _ = finished
    for index, (_, config) in enumerate(record.config.cells()):
        alone = run(config, RunStore(tmp_path / f"home-{index}"))
        assert_same(record.cell(index), alone)
        result = record.results[index]
        comparison = alone.comparison()
        assert comparison is not None and alone.grouping is not None
        value, error = result.value("row_spearman")
        assert value == comparison.estimate.agreement.row_spearman
        assert error == pytest.approx(comparison.estimate.agreement.row_spearman_standard_error)
        share = result.value("share_of_ceiling")[0]
        assert share == pytest.approx(comparison.estimate.row_spearman_fraction)
        assert result.gap == alone.grouping.gap and result.density == alone.grouping.density
        assert alone.estimated is not None and result.flops == alone.estimated.cost.flops


def test_results_are_compared_with_the_base_cell(finished):
    from sklearn.metrics import adjusted_rand_score

    _, row, record, _ = finished
    assert record.summary.base == BASE and row.kind == "sweep"
    base = record.cell(BASE)
    assert record.results[BASE].agreement == pytest.approx([1.0] * 6)
    assert record.results[BASE].adjusted_rand == 1
    for index, result in record.results.items():
        own = record.cell(index)
        expected = agreement(own.affinity().values, base.affinity().values)
        assert result.value("agreement")[0] == pytest.approx(expected.row_spearman)
        assert result.adjusted_rand == adjusted_rand_score(base.grouping.labels, own.grouping.labels)
        gains = [column[0] - column[1] for column in zip(*own.group_scores.of("auc"), strict=True)]
        assert result.value("gain")[0] == pytest.approx(np.mean(gains))


def test_what_cells_share_is_computed_once(finished):
    store, _, record, _ = finished
    files = {path.name: len(list(path.glob("*/*"))) for path in (store.home / "cache").iterdir()}
    assert (files["base-models"], files["features"], files["estimates"]) == (2, 4, 4)
    assert files["trained-blocks"] == 1 + 2  # small models, and the truth of two seeds
    assert len(set(record.summary.truths)) == record.n_truths == 1


def test_progress_is_that_of_all_cells(finished):
    *_, heard = finished
    fractions = [fraction for _, fraction, _ in heard]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    words = [progress.stage for progress, _, _ in heard]
    assert words[0].startswith("Cell 1 of 4, proj_dim = 8, n_inits = 1: training base models")
    assert any(word.startswith("Cell 4 of 4, proj_dim = 4, n_inits = 2") for word in words)
    assert all(left is not None for progress, _, left in heard if not progress.stage.startswith("Cell 1"))


def test_a_cell_is_a_run_that_can_be_taken_in(finished, tmp_path):
    _, row, record, _ = finished
    kept = RunStore(tmp_path / "other").adopt(record.cell(1).folder)
    assert kept.kind == "run" and kept.config["n_inits"] == 2 and kept.config["proj_dim"] == 4
    assert kept.name == f"{row.name}: proj_dim = 4, n_inits = 2"
    assert kept.command.startswith("python -m gradtag_core run ") and "--vary" not in kept.command


def test_a_run_after_the_sweep_computes_nothing_that_it_has(finished):
    store, _, record, _ = finished
    before = set((store.home / "cache").rglob("*.*"))
    row = execute(store, create_run(store, list(record.config.cells())[3][1]).id)
    assert row.state == "done" and set((store.home / "cache").rglob("*.*")) == before
    assert_same(RunRecord(store.run_folder(row.id)), record.cell(3))


def test_a_failing_cell_is_told_and_the_others_go_on(store, monkeypatch):
    real = sweeps.Pipeline.run

    def failing(self, row):
        if self.plan.config.n_inits == 2:
            raise GradTagError("The model diverged.")
        real(self, row)

    monkeypatch.setattr(sweeps.Pipeline, "run", failing)
    record = swept(store, config_of())
    assert record.summary.failed == {1: "The model diverged.", 3: "The model diverged."}
    assert set(record.results) == {0, 2}
    assert list(record.table()["error"].fillna("")) == ["", "The model diverged."] * 2


def test_a_sweep_without_any_result_has_failed(store, monkeypatch):
    def failing(self, row):
        raise GradTagError("The model diverged.")

    monkeypatch.setattr(sweeps.Pipeline, "run", failing)
    row = execute(store, create_sweep(store, config_of()).id)
    assert row.state == "failed" and row.error == "No cell of the sweep could be run: The model diverged."


def test_where_the_base_cell_failed_the_others_are_not_compared_with_it(store, monkeypatch):
    real = sweeps.Pipeline.run

    def failing(self, row):
        if self.plan.config.proj_dim == 8:
            raise GradTagError("The model diverged.")
        real(self, row)

    monkeypatch.setattr(sweeps.Pipeline, "run", failing)
    record = swept(store, config_of({"proj_dim": (4, 8)}))
    assert record.results[0].agreement is None and record.results[0].adjusted_rand is None
    assert "agreement" not in record.measures and "row_spearman" in record.measures


def test_a_cancelled_sweep_keeps_its_cells_and_ends_as_an_undisturbed_one(store, finished, monkeypatch):
    *_, undisturbed, _ = finished
    config = config_of()
    row = create_sweep(store, config)
    folder, stop, real, worked = store.run_folder(row.id), Event(), sweeps.Pipeline.run, []

    def stopping(self, row):
        worked.append(self.plan.config)
        real(self, row)
        if len(worked) == 2:
            stop.set()

    monkeypatch.setattr(sweeps.Pipeline, "run", stopping)
    sweep = Sweep(load_sweep_plan(config), store.cache, SweepRecord(folder), reporter=Reporter(cancel=stop))
    with pytest.raises(Cancelled):
        sweep.run(row)
    kept = SweepRecord(folder).results
    assert set(kept) == {BASE, 0}
    worked.clear()
    stop.clear()
    assert execute(store, row.id).state == "done" and len(worked) == 2
    record = SweepRecord(folder)
    assert record.summary.seconds == store.get(row.id).seconds > 0
    for index in range(4):
        assert_same(record.cell(index), undisturbed.cell(index))
        assert record.results[index].spearman == undisturbed.results[index].spearman
        assert record.results[index].agreement == undisturbed.results[index].agreement


def test_cells_with_other_tasks_are_compared_on_those_they_share(store):
    record = swept(store, config_of({"n_tasks": (4, 6)}, truth=0, n_subsets=None))
    assert record.summary.base == 1 and len(record.results[0].agreement or ()) == 4
    assert record.measures[:2] == ("gain", "agreement") and record.n_truths == 0
    values = matrices(record.cell(1))[1][:4, :4]
    expected = agreement(matrices(record.cell(0))[1], values)
    assert record.results[0].value("agreement")[0] == pytest.approx(expected.row_spearman)


def test_nothing_is_stored_where_a_cell_does_not_fit(store):
    for vary, sentence in (
        ({"n_groups": (2, 7)}, r"The cell `n_groups` = 7 cannot be run: .*at most the number of tasks, 6; found 7"),
        ({"seed": (0, 1), "truth": (6, 13)}, r"The cell `seed` = 0, `truth` = 13 cannot be run: `truth` must be at"),
    ):  # fmt: skip
        with pytest.raises(InvalidInput, match=sentence):
            create_sweep(store, config_of(vary))
    assert store.list() == []


def test_other_data_under_the_same_name_are_refused(store):
    row = create_sweep(store, config_of({"proj_dim": (4, 8)}, train_groups=False, truth=0))
    execute(store, row.id)
    record = SweepRecord(store.run_folder(row.id))
    record.write(replace(record.summary, fingerprint="0" * 32), {})
    again = create_sweep(store, record.config)
    record_of_again = SweepRecord(store.run_folder(again.id))
    record_of_again.write(replace(record.summary, id=again.id), {})
    found = execute(store, again.id)
    assert found.state == "failed" and "`planted` has other content now" in (found.error or "")


def test_a_foreign_file_is_no_sweep(tmp_path):
    (tmp_path / "sweep.json").write_text('{"format": 9}')
    with pytest.raises(StoreError, match="must have `format` 1; found 9"):
        _ = SweepRecord(tmp_path).summary
    (tmp_path / "sweep.json").write_text('{"format": 1, "failed": {}, "truths": []}')
    with pytest.raises(StoreError, match="is not the summary of a sweep"):
        _ = SweepRecord(tmp_path).summary


def forecast_of(seconds):
    return Forecast((Work("train", 1, 1e10, seconds),), 1.0, None, 0)


def test_the_time_left_follows_the_forecasts_until_a_cell_has_told_the_real_speed():
    pace = SweepPace([forecast_of(10.0), forecast_of(30.0)])
    assert pace.now(0, 0.5, 5.0) == (0.125, 35.0)
    pace.finished(0)
    fraction, left = pace.now(1, 0.5, 15.0)
    assert fraction == 0.625 and left is not None and left < 1.0  # it took no time
    unknown = SweepPace([forecast_of(None), forecast_of(None)])
    assert unknown.now(0, 0.5, None) == (0.25, None)


def test_the_row_of_a_cell_has_a_name_that_fits():
    row = RunRow("a-1", "x" * 200, "planted", "running", {}, "", 1.0, kind="sweep")
    cell = load_sweep_plan(config_of()).cells[0]
    made = sweeps._cell_row(row, 7, cell)
    assert (made.id, made.kind, len(made.name)) == ("a-1-007", "run", 200)
    assert Progress("x", 0, 1).fraction == 0
