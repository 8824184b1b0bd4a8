"""The accuracy benchmark on a suite so small that its truth takes seconds."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.accuracy import STUDIES, run_studies
from benchmarks.accuracy_bench import Bench, filled
from benchmarks.accuracy_core import REAL_BUDGETS
from benchmarks.accuracy_trainings import fine_tuned
from gradtag_core.affinity.matrix import average
from gradtag_core.config import make_config
from gradtag_core.evaluation.agreement import agreement
from gradtag_core.runs.files import UnitCache
from gradtag_core.tasks.planted import planted_suite
from gradtag_core.training.trainer import Trainer

FIELDS = {
    "study", "suite", "n_tasks", "n_subsets", "metric", "estimator", "row_spearman", "row_spearman_fraction",
    "column_spearman", "distance", "distance_squared", "flops", "flops_ratio", "seconds",
}  # fmt: skip


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> UnitCache:
    """Shared by the tests, which may find units that others computed: their keys say all that can change them."""
    return UnitCache(tmp_path_factory.mktemp("accuracy") / "units")


@pytest.fixture
def bench(cache: UnitCache) -> Bench:
    """Six planted tasks in two groups, and all fifteen subsets of four."""
    suite = planted_suite(6, 2, n_labelled=150).suite
    config = make_config(
        None, suite="planted", n_tasks=6, n_subsets=15, subset_size=4, truth=15, epochs=4, base_epochs=2, width=32,
        proj_dim=20, proxies_per_task=2,
    )  # fmt: skip
    return Bench(config, suite, cache)


def test_core_records_have_the_fields_and_stay_within_the_ceiling(bench: Bench) -> None:
    records = run_studies(bench, ["core"])
    by_name = {record["estimator"]: record for record in records}
    assert all(record.keys() >= FIELDS for record in records)
    json.dumps(records, allow_nan=False)
    repeat, ceiling = bench.repeat_and_ceiling
    assert repeat is not None and ceiling is not None
    assert by_name["noise ceiling"]["row_spearman"] == pytest.approx(ceiling)
    assert by_name["noise ceiling"]["row_spearman_fraction"] == pytest.approx(1)
    assert by_name["truth repeated once"]["row_spearman_fraction"] == pytest.approx(repeat**0.5)
    assert repeat <= ceiling <= 1  # averaging two seeds can only help
    assert by_name["noise ceiling"]["flops_ratio"] == pytest.approx(1)
    for name in ("constant", "random", "label_similarity", "train_size", "default configuration"):
        assert name in by_name
    assert by_name["constant"]["row_spearman"] == 0
    assert by_name["random"]["flops"] == 0


def test_budgets_are_kept_unless_one_training_exceeds_them(bench: Bench) -> None:
    one = bench.full_flops / 15
    for budget in REAL_BUDGETS:
        trained = bench.real_within(budget * bench.full_flops)
        flops = trained.cost.flops
        assert len(trained.subsets) == 1 or flops <= budget * bench.full_flops
        assert flops == pytest.approx(len(trained.subsets) * one, rel=0.5)
    everything = bench.real_within(2 * bench.full_flops)
    assert everything.subsets == bench.plan.subsets
    assert everything.cost.flops == pytest.approx(bench.full_flops, rel=1e-6)


def test_the_truth_itself_is_a_perfect_estimate(bench: Bench) -> None:
    record = bench.judge("core", "truth", bench.truth)
    assert record["row_spearman"] == pytest.approx(1)
    assert record["distance"] == 0
    fraction = record["row_spearman_fraction"]
    assert fraction is not None and fraction >= 1  # knowing the truth's noise is more than an estimate can


def test_a_second_call_computes_nothing_and_repeats_every_number(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_studies(bench, ["offset", "l2"])

    def forbidden(*arguments: object, **named: object) -> None:
        raise AssertionError("A finished unit was computed again.")

    monkeypatch.setattr(Trainer, "fit", forbidden)
    monkeypatch.setattr("gradtag_core.training.stacked_blocks.fit_many", forbidden)
    monkeypatch.setattr("benchmarks.accuracy_sweeps.estimate_scores", forbidden)
    assert run_studies(replace(bench), ["offset", "l2"]) == first


def test_fine_tuning_starts_from_the_base_model(bench: Bench) -> None:
    units = bench.units_with(epochs=1, learning_rate=1e-12)
    tuned = fine_tuned(units, [(0, 1, 2)], 5, bench.reporter, "Fine-tuning", base_seed=9)
    base = units.trainer.score(units.base_model(9), [0, 1, 2], "validation")
    np.testing.assert_allclose(tuned.scores.values, base, atol=1e-6)
    assert tuned.overhead.flops == units.base_model(9).cost.flops


def test_the_fine_tuned_truth_differs_from_the_one_from_scratch(bench: Bench) -> None:
    tuned = replace(bench, truth_kind="finetuned")
    assert tuned.truth.seeds == bench.truth.seeds
    assert not np.allclose(tuned.truth.values, bench.truth.values)


def test_scoring_at_the_linear_model_is_the_default_estimate(bench: Bench) -> None:
    records = {record["estimator"]: record for record in run_studies(bench, ["scoring"])}
    found = bench.judge("core", "gradients", bench.gradients(n_inits=1))
    linear = records["pca: linear, 15 subsets"]
    assert linear["row_spearman"] == found["row_spearman"]
    assert linear["flops"] == pytest.approx(found["flops"])
    assert records["pca: representer, 15 subsets"]["flops"] > linear["flops"]


def test_empty_cells_take_the_mean_of_their_row_or_of_the_matrix() -> None:
    values = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan], [5.0, 7.0, 4.0]])
    np.testing.assert_allclose(filled(values), [[1, 2, 3], [4, 4, 4], [5, 7, 4]])


def test_every_study_is_reachable_by_its_name() -> None:
    assert next(iter(STUDIES)) == "core"
    assert all(study.__name__ == name and study.__doc__ for name, study in STUDIES.items())


def test_a_joined_estimate_is_judged_on_the_subsets_of_the_truth(bench: Bench) -> None:
    few = replace(bench, config=bench.config.model_copy(update={"truth": 8}))
    joined = few.joined(few.first_small_models(15), few.gradients(n_inits=1))
    record = few.judge("core", "joined", joined)
    matched = average(joined.of_subsets(few.plan.truth_subsets), "auc").values
    assert record["row_spearman"] == agreement(matched, average(few.truth, "auc").values).row_spearman
    spent = few.first_small_models(15).cost.flops + few.gradients(n_inits=1).cost.flops
    assert record["flops"] > spent
