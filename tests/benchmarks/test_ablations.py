"""The ablations on a suite so small that everything in them trains in seconds."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import ablations_ptg
from benchmarks.ablations import STUDIES, main, run_studies, table
from benchmarks.ablations_bench import Ablation, Extent, mean_and_error, members
from benchmarks.ablations_ptg import diverse, diverse_suite, family_of, sampling
from benchmarks.accuracy_bench import Record
from gradtag_core.config import METRICS, make_config
from gradtag_core.cost import measure
from gradtag_core.evaluation.agreement import agreement
from gradtag_core.grouping.cluster import cluster
from gradtag_core.methods import naive_mtl, principled_task_grouping
from gradtag_core.methods.principled_task_grouping import transfer_gains
from gradtag_core.methods.trained_groups import as_groups, train_groups
from gradtag_core.runs.files import UnitCache
from gradtag_core.tasks.planted import planted_suite
from gradtag_core.training.trainer import Trainer

FIELDS = {
    "study", "suite", "n_tasks", "setting", "value", "variant", "seeds", "error", "error_se", "error_ratio",
    "error_ratio_se", "row_spearman", "row_spearman_se", "row_spearman_fraction", "flops", "seconds",
    "training_flops", "training_seconds",
}  # fmt: skip
SMALL = Extent(
    seeds=2, truth_meetings=4, n_groups=(2, 9), meetings=(4, 6), sizes=(2, 9), inits=(1, 2), dimensions=(5,),
    exact_tasks=5, probes=(2, 20), tasks_per_probe=(4,),
)  # fmt: skip
BY_TRUTH = ["subsets", "size", "inits", "dimension"]


@pytest.fixture(scope="module")
def ablation(tmp_path_factory: pytest.TempPathFactory) -> Ablation:
    """Six planted tasks; the units that one test computes are there for the others."""
    suite = planted_suite(6, 2, n_labelled=100).suite
    config = make_config(
        None, suite="planted", n_tasks=6, subset_size=3, n_subsets=15, epochs=3, base_epochs=1, width=8, proj_dim=5,
        batch_size=16, proxies_per_task=2, n_groups=2,
    )  # fmt: skip
    return Ablation(config, suite, UnitCache(tmp_path_factory.mktemp("ablations")), SMALL)


@pytest.fixture(scope="module")
def records(ablation: Ablation) -> list[Record]:
    return run_studies(ablation, ["groups", *BY_TRUTH, "clustering"])


def test_records_have_the_fields_and_only_settings_that_fit(records: list[Record]) -> None:
    json.dumps(records, allow_nan=False)
    assert all(record.keys() >= FIELDS for record in records)
    found = {(record["study"], record["setting"], record["value"], record["variant"]) for record in records}
    assert len(found) == len(records)
    of_groups = [record["value"] for record in records if record["study"] == "groups"]
    assert of_groups == [2, 2, 1, 6]
    assert [record["value"] for record in records if record["study"] == "size"] == [2]
    assert {record["study"] for record in records} == {"reference", "groups", "clustering", *BY_TRUTH}
    assert all(record["row_spearman"] is not None for record in records if record["study"] in BY_TRUTH)
    assert all(record["flops"] > 0 for record in records if record["study"] in BY_TRUTH)


def test_a_second_call_trains_nothing_and_repeats_every_number(
    ablation: Ablation, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = list(sampling(ablation))

    def forbidden(*arguments: object, **named: object) -> None:
        raise AssertionError("A finished unit was computed again.")

    monkeypatch.setattr(Trainer, "fit", forbidden)
    for place in (
        "gradtag_core.training.stacked_blocks.fit_many", "gradtag_core.methods.trained_groups.fit_many",
        "gradtag_core.runs.estimate_units.Estimator.scores", "benchmarks.ablations_bench.train_groups",
        "benchmarks.ablations_bench.cluster", "benchmarks.ablations_ptg.transfer_gains",
    ):  # fmt: skip
        monkeypatch.setattr(place, forbidden)
    fresh = replace(ablation)
    assert list(sampling(fresh)) == first
    again = run_studies(fresh, ["groups", *BY_TRUTH, "clustering"])
    timed = {"seconds"}  # of the additive fit, which is no unit
    assert [_without(record, timed) for record in again] == [_without(record, timed) for record in records]


def _without(record: Record, names: set[str]) -> Record:
    return {name: value for name, value in record.items() if name not in names}


def test_groups_are_those_of_the_library_called_by_hand(ablation: Ablation, records: list[Record]) -> None:
    values = ablation.default(1).values
    labels = cluster(values, 2, seed=1).labels
    setting = ablation.setting(1)
    with measure() as meter:
        test = train_groups(setting, as_groups(labels), meter).test
    column = METRICS.index("auc")
    error = 1 - float(test[:, column].mean())
    naive = 1 - naive_mtl.run(setting).mean_score("auc")
    run = ablation.grouped(ablation.default(1), 1)
    assert run.error == pytest.approx(error)
    assert run.naive_error == pytest.approx(naive)
    assert run.training.flops == pytest.approx(meter.flops)
    (line,) = (
        r for r in records if (r["study"], r["value"], r["variant"]) == ("groups", 2, "estimated groups")
    )
    errors = [ablation.grouped(ablation.default(seed), seed).error for seed in range(2)]
    assert line["error"] == pytest.approx(np.mean(errors))
    assert line["error_se"] == pytest.approx(abs(errors[0] - errors[1]) / 2)


def test_gains_and_groups_are_those_of_the_method(ablation: Ablation) -> None:
    setting = ablation.setting(0)
    with measure() as meter:
        by_hand = transfer_gains(setting, 20, 6, meter)
    found = ablations_ptg.gains(ablation, 0, 20, 6)
    np.testing.assert_array_equal(found.values, by_hand)
    assert found.cost.flops == meter.flops
    whole = principled_task_grouping.run(setting)
    run = ablations_ptg.judged(ablation, 0, found)
    assert run.error == pytest.approx(1 - whole.mean_score("auc"))
    assert run.found.flops + run.training.flops == pytest.approx(whole.cost.flops)


def test_rows_are_judged_by_the_truth_and_its_ceiling(ablation: Ablation, records: list[Record]) -> None:
    truth = ablation.truth.values
    assert not set(ablation.truth_bench.config.truth_seeds) & set(ablation.bench(1).config.init_seeds)
    (line,) = (record for record in records if record["study"] == "inits" and record["value"] == 2)
    subsets = ablation.truth_bench.plan.truth_subsets
    rows = [agreement(ablation.gradients(s, subsets, n_inits=2).values, truth).row_spearman for s in range(2)]
    assert line["row_spearman"] == pytest.approx(np.mean(rows))
    ceiling = ablation.truth_bench.repeat_and_ceiling[1]
    assert line["row_spearman_fraction"] == (pytest.approx(np.mean(rows) / ceiling) if ceiling else None)
    assert line["n_subsets"] == len(subsets)


def test_no_clustering_is_denser_than_the_exact_one(records: list[Record]) -> None:
    few = [record for record in records if record["study"] == "clustering" and record["n_tasks"] == 5]
    by_name = {record["value"]: record for record in few}
    assert by_name["exact"]["gap"] == pytest.approx(0, abs=1e-4)
    same = [record for record in few if record["n_groups"] == by_name["exact"]["n_groups"]]
    assert all(record["density"] <= by_name["exact"]["density"] + 1e-9 for record in same)
    assert {record["n_tasks"] for record in records if record["study"] == "clustering"} == {5, 6}


def test_sampled_gains_are_judged_by_all_pairs(ablation: Ablation) -> None:
    full = ablations_ptg.gains(ablation, 0, 20, 6)
    assert ablations_ptg.judged(ablation, 0, full, full).row_spearman == pytest.approx(1)
    lines = list(sampling(ablation))
    assert [record["value"] for record in lines] == [6, 4, 2]
    assert lines[2]["flops"] < lines[0]["flops"]


def test_diverse_tasks_share_no_example_and_keep_their_labels() -> None:
    suite = diverse_suite(("digits", "planted"))
    family = family_of(suite)
    assert suite.n_tasks == 22
    seen = [(suite.labels[:, family == own] >= 0).any(axis=1) for own in np.unique(family)]
    assert not (seen[0] & seen[1]).any() and (seen[0] | seen[1]).all()
    digits = suite.labels[:1797, :10]
    assert (digits.sum(axis=1) == 1).all()
    assert {suite.task_names[group[0]].split(":")[0] for group in members(family)} == {"digits", "planted"}


def test_families_in_a_diverse_suite_are_told_apart_or_not(ablation: Ablation) -> None:
    found = list(diverse(ablation, np.array([0, 0, 0, 1, 1, 1])))
    by_name = {record["variant"]: record for record in found}
    assert by_name["the families themselves"]["adjusted_rand_index"] == 1
    assert all(record["value"] == 2 for record in found)


def test_the_mean_of_one_seed_has_no_error() -> None:
    assert mean_and_error([]) == (None, None)
    assert mean_and_error([2.0]) == (2.0, None)
    assert mean_and_error([1.0, 3.0]) == (2.0, pytest.approx(1.0))


def test_tables_leave_out_what_is_empty(records: list[Record]) -> None:
    text = table([record for record in records if record["study"] == "groups"])
    assert "test error" in text and "row Spearman" not in text and "gap" not in text
    assert len(text.splitlines()) == 2 + 4


def test_the_study_of_diverse_tasks_trains_longer(
    ablation: Ablation, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Ablation] = []
    monkeypatch.setattr(ablations_ptg, "diverse", lambda wide, family: seen.append(wide) or iter(()))
    monkeypatch.setattr(ablations_ptg, "many", lambda large: seen.append(large) or iter(()))
    monkeypatch.setattr(ablations_ptg, "sampling", lambda own: seen.append(own) or iter(()))
    assert list(ablations_ptg.ptg(ablation)) == []
    wide, large, own = seen
    assert (wide.config.epochs, wide.n_groups, wide.suite.n_tasks) == (12, 3, 36)
    assert (large.config.epochs, large.n_groups, large.suite.n_tasks) == (3, 20, 100)
    assert own is ablation


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--studies", "groups,colours"], f"`--studies` must be among {', '.join(STUDIES)}; found colours."),
        (["--suite", "debain"], "Did you mean `debian`?"),
        (["--suite", "digits", "--n-tasks", "11"], "must be between 1 and the 10 tasks"),
        (["--suite", "digits", "--seeds", "0"], "`--seeds` must be between 1 and 80; found 0."),
        (["--suite", "digits", "--epochs", "0"], "`epochs`"),
    ],
)  # fmt: skip
def test_bad_options_give_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert sentence in capsys.readouterr().err.splitlines()[-1]
