import json
from dataclasses import replace

import numpy as np
import pytest

from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.affinity.subsets import random_subsets
from gradtag_core.config import METRICS
from gradtag_core.cost import Cost
from gradtag_core.errors import InvalidInput
from gradtag_core.evaluation.comparison import Evidence, compare

N_TASKS = 8
NAMES = tuple(f"t{index}" for index in range(N_TASKS))
SUBSETS = random_subsets(N_TASKS, 3, 50, 0)
GENERATOR = np.random.default_rng(0)
DIFFICULTY = np.linspace(0.2, 0.8, N_TASKS)
TRANSFER = 0.1 * GENERATOR.normal(size=(N_TASKS, N_TASKS))


def true_scores(subsets, noise, seed):
    """Additive transfer: f(S, i) = difficulty_i + sum over co-tasks, plus noise."""
    generator = np.random.default_rng(seed)
    values = [
        DIFFICULTY[i] + sum(TRANSFER[i, j] for j in subset if j != i) for subset in subsets for i in subset
    ]
    return np.repeat(
        (np.array(values) + noise * generator.normal(size=len(values)))[:, None], len(METRICS), axis=1
    )


def scores(source, subsets, noise, seed, flops):
    return SubsetScores.of_seed(NAMES, subsets, true_scores(subsets, noise, seed), seed, source, Cost(flops))


TRAINED = scores("trained", SUBSETS[:30], 0.05, 1, 300.0).join(
    scores("trained", SUBSETS[:30], 0.05, 2, 300.0)
)
EVIDENCE = Evidence(
    base_scores=np.repeat(DIFFICULTY[:, None], len(METRICS), axis=1), similarity=TRANSFER,
    estimate_flops=45.0, base_flops=5.0, full_flops=500.0,
    train_sizes=np.arange(1, N_TASKS + 1),
)  # fmt: skip


def test_a_perfect_estimate_reaches_the_ceiling_and_the_lines_fall_where_they_should():
    found = compare(scores("estimated", SUBSETS, 0.0, 0, 45.0), TRAINED, EVIDENCE, "f1")
    assert found.estimate.row_spearman_fraction == pytest.approx(1, abs=0.15)
    assert found.lines["constant"].agreement.row_spearman == 0
    assert abs(found.lines["random"].agreement.row_spearman) < 0.1
    assert found.lines["label_similarity"].agreement.row_spearman > 0.5
    assert found.lines["equal_flops"].agreement.row_spearman < found.estimate.agreement.row_spearman
    assert found.estimate.flops_ratio == pytest.approx(45 / 500)
    assert found.lines["constant"].flops_ratio == pytest.approx(5 / 500)


def test_equal_flops_buys_as_many_trainings_as_the_estimate_costs():
    """A training costs 600 / 60 = 10, so 45 buys four."""
    found = compare(scores("estimated", SUBSETS, 0.0, 0, 45.0), TRAINED, EVIDENCE, "f1")
    assert found.equal_flops_subsets == 4
    assert found.lines["equal_flops"].flops_ratio == pytest.approx(40 / 500)


def test_real_training_is_never_judged_by_itself():
    """With FLOPs enough for every subset, it reaches what one seed tells of the other, and no more."""
    rich = replace(EVIDENCE, estimate_flops=1e9)
    found = compare(scores("estimated", SUBSETS, 0.0, 0, 45.0), TRAINED, rich, "f1")
    assert found.equal_flops_subsets == 30
    assert found.repeat_spearman is not None and found.repeat_spearman < 0.99
    assert found.lines["equal_flops"].agreement.row_spearman == pytest.approx(found.repeat_spearman)


def test_both_sides_are_averaged_over_the_trained_subsets():
    """A wrong estimate of the subsets that were not trained cannot matter."""
    spoiled = scores("estimated", SUBSETS, 0.0, 0, 45.0)
    values = spoiled.values.copy()
    values[spoiled.subset >= 30] = GENERATOR.normal(size=values[spoiled.subset >= 30].shape)
    spoiled = SubsetScores(
        NAMES, spoiled.subsets, spoiled.subset, spoiled.task, spoiled.seed, values, "estimated", spoiled.cost
    )
    clean = compare(scores("estimated", SUBSETS, 0.0, 0, 45.0), TRAINED, EVIDENCE, "f1")
    assert compare(spoiled, TRAINED, EVIDENCE, "f1").to_json() == clean.to_json()


def test_json_has_every_figure_for_every_line():
    found = compare(scores("estimated", SUBSETS, 0.1, 0, 45.0), TRAINED, EVIDENCE, "auc").to_json()
    figures = {
        "row_spearman",
        "row_spearman_fraction",
        "column_spearman",
        "distance_squared",
        "distance",
        "flops_ratio",
    }
    assert figures | {"row_spearman_ceiling"} <= found.keys()
    for line in ("constant", "random", "label_similarity", "train_size", "equal_flops"):
        assert figures <= found[line].keys()
    json.dumps(found, allow_nan=False)


def test_the_sources_of_a_joined_estimate_are_judged_alone():
    """Gradients on the trained subsets, as the estimate is; small models on the few subsets that they have."""
    estimated = scores("estimated", SUBSETS, 0.0, 0, 45.0)
    gradients = scores("estimated", SUBSETS, 0.3, 3, 8.0)
    proxies = scores("trained", SUBSETS[:12], 0.05, 4, 20.0)
    joined = replace(EVIDENCE, gradients=gradients, proxies=proxies)
    found, alone = (compare(estimated, TRAINED, evidence, "f1") for evidence in (joined, EVIDENCE))
    assert list(found.lines) == [
        "constant", "random", "label_similarity", "train_size", "gradients", "proxies", "equal_flops",
    ]  # fmt: skip
    assert {name: found.lines[name] for name in alone.lines} == alone.lines
    assert found.estimate == alone.estimate
    as_estimate = compare(gradients, TRAINED, EVIDENCE, "f1").estimate
    assert found.lines["gradients"].agreement == as_estimate.agreement
    assert found.lines["gradients"].flops_ratio == pytest.approx(8 / 500)
    assert found.lines["proxies"].flops_ratio == pytest.approx(20 / 500)
    assert 0 < found.lines["proxies"].agreement.row_spearman < 1
    assert {"gradients", "proxies"} < found.to_json().keys()
    json.dumps(found.to_json(), allow_nan=False)


def test_an_estimate_of_one_source_is_its_own_line():
    """Small models without gradients still differ from the estimate, which smooths them; gradients alone are it."""
    estimated = scores("estimated", SUBSETS, 0.0, 0, 45.0)
    proxies = replace(EVIDENCE, proxies=scores("trained", SUBSETS[:12], 0.05, 4, 20.0))
    gradients = replace(EVIDENCE, gradients=estimated)
    lines = compare(estimated, TRAINED, proxies, "f1").lines
    assert "proxies" in lines and "gradients" not in lines
    assert not {"proxies", "gradients"} & compare(estimated, TRAINED, gradients, "f1").lines.keys()


def test_small_models_that_missed_a_task_are_judged_on_the_rest():
    few = [subset for subset in SUBSETS if 7 not in subset][:6]
    evidence = replace(EVIDENCE, proxies=scores("trained", few, 0.0, 4, 20.0))
    found = compare(scores("estimated", SUBSETS, 0.0, 0, 45.0), TRAINED, evidence, "f1")
    assert np.isfinite(found.lines["proxies"].agreement.row_spearman)


def test_the_size_line_ranks_co_tasks_by_their_examples():
    """It is right where larger tasks help more, whatever the unit, and as wrong where they harm."""
    helps = np.argsort(np.argsort(TRANSFER.sum(0))) + 1
    estimated = scores("estimated", SUBSETS, 0.0, 0, 45.0)
    ranks = [
        compare(estimated, TRAINED, replace(EVIDENCE, train_sizes=sizes), "f1").lines["train_size"].agreement
        for sizes in (helps, 1000 * helps, 1 + helps.max() - helps, np.full(N_TASKS, 5))
    ]
    spearman = [found.row_spearman for found in ranks]
    assert spearman[0] == pytest.approx(spearman[1])
    assert spearman[0] == pytest.approx(-spearman[2])
    assert spearman[0] > 0.1
    assert spearman[3] == 0


def test_without_truth_there_is_nothing_to_compare():
    estimated = scores("estimated", SUBSETS, 0.0, 0, 1.0)
    with pytest.raises(InvalidInput, match="`truth`"):
        compare(estimated, estimated, EVIDENCE, "f1")


def test_subsets_that_were_not_estimated_are_named():
    with pytest.raises(InvalidInput, match="were not estimated"):
        compare(scores("estimated", SUBSETS[:10], 0.0, 0, 1.0), TRAINED, EVIDENCE, "f1")
