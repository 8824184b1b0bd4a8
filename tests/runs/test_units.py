"""Features and estimates as units: without a projection, and within a memory budget."""

import numpy as np
import pytest
import torch

from gradtag_core.affinity.estimate import EstimationSettings, estimate_kernel_scores, estimate_scores
from gradtag_core.config import make_config
from gradtag_core.errors import InvalidInput
from gradtag_core.gradients import memory
from gradtag_core.gradients.features import Featurizer
from gradtag_core.gradients.projection import make_projection
from gradtag_core.progress import Reporter
from gradtag_core.runs.files import UnitCache
from gradtag_core.runs.plan import make_plan
from gradtag_core.runs.units import Units

SETTINGS = {
    "width": 8, "epochs": 2, "base_epochs": 2, "subset_size": 2, "n_subsets": 6, "n_groups": 2,
    "proj_dim": 12,
}  # fmt: skip
CPU = torch.device("cpu")


@pytest.fixture
def units_in(small_suite):
    def build(folder, **change):
        plan = make_plan(make_config(None, suite="small", **{**SETTINGS, **change}), small_suite)
        return Units(plan, UnitCache(folder), Reporter(), lambda stage, key: None)

    return build


def exact_features(units):
    """Whole gradients of the training and the validation rows."""
    suite = units.plan.suite
    featurizer = Featurizer(suite, units.base_model(0), make_projection("identity", 1, 0), CPU)
    return [featurizer.featurize(suite.rows(split)) for split in ("train", "validation")]


def test_without_a_projection_features_are_inner_products(units_in, tmp_path):
    units = units_in(tmp_path, projection="identity")
    train, validation = units.features(0)
    exact, exact_validation = exact_features(units)
    gradients = exact.projected
    torch.testing.assert_close(train.projected, gradients @ gradients.T, rtol=1e-4, atol=1e-4)
    expected = exact_validation.projected @ gradients.T
    torch.testing.assert_close(validation.projected, expected, rtol=1e-4, atol=1e-4)
    assert train.gradient_energy == pytest.approx(exact.gradient_energy)
    torch.testing.assert_close(train.logits, exact.logits)
    assert units.features_facts(0)[1] == 1.0


def test_without_a_projection_estimates_are_those_of_the_kernel_and_of_whole_gradients(units_in, tmp_path):
    units = units_in(tmp_path, projection="identity", l2=1e-2)
    plan, (train, validation) = units.plan, units.features(0)
    found = units.estimated(0)
    names, settings = plan.suite.task_names, EstimationSettings(1e-2, "rows")
    expected = estimate_kernel_scores(
        train.projected, validation.projected, train, validation, plan.subsets, names, settings, 0, CPU
    )
    np.testing.assert_array_equal(found.values, expected.values)
    assert found.subsets == plan.subsets
    exact, exact_validation = exact_features(units)
    whole = estimate_scores(exact, exact_validation, plan.subsets, names, settings, 0, CPU)
    np.testing.assert_allclose(found.values, whole.values, atol=2e-3)


def test_without_a_projection_a_second_look_finds_the_same(units_in, tmp_path):
    first, again = (units_in(tmp_path, projection="identity") for _ in range(2))
    expected = first.features(0)
    for one, other in zip(again.features(0), expected, strict=True):
        assert torch.equal(one.projected, other.projected)
        assert one.cost == other.cost
    np.testing.assert_array_equal(again.estimated(0).values, first.estimated(0).values)


def least_memory(units):
    """Gibibytes below which a budget is refused."""
    with pytest.raises(InvalidInput, match="`memory`") as error:
        units.features(0)
    return (int(str(error.value).split("at least ")[1].split(" ")[0].replace(",", "")) + 1) / 2**30


@pytest.mark.parametrize("projection", ["pca", "gaussian", "sjlt", "factored", "identity"])
def test_a_memory_budget_changes_nothing_but_rounding(units_in, tmp_path, projection, monkeypatch):
    monkeypatch.setattr(memory, "RUNTIME_BYTES", 0)  # a suite of kilobytes, without the libraries
    monkeypatch.setattr("gradtag_core.runs.plan._require_room_for_kernel", lambda *arguments: None)
    settings = {"projection": projection, "l2": 1e-2}
    free = units_in(tmp_path / "free", **settings)
    least = least_memory(units_in(tmp_path / "least", **settings, memory=1e-9))
    tight = units_in(tmp_path / "tight", **settings, memory=8 * least)  # a few rows at a time
    np.testing.assert_allclose(tight.estimated(0).values, free.estimated(0).values, atol=2e-3)
    kernels = [part.projected @ part.projected.T for units in (tight, free) for part in units.features(0)[:1]]
    torch.testing.assert_close(*kernels, rtol=2e-3, atol=2e-3 * float(kernels[0].abs().max()))
    assert {path.parent.parent.name for path in (tmp_path / "tight").glob("*/*/*")} == {
        "base-models", "features", "estimates",
    }  # fmt: skip


def test_features_are_found_whatever_the_budget_they_were_made_within(units_in, tmp_path, monkeypatch):
    expected = units_in(tmp_path).features(0)
    monkeypatch.setattr(Featurizer, "featurize", None)  # nothing is computed any more
    found = units_in(tmp_path, memory=1000.0).features(0)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.projected, other.projected)
