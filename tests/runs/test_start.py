"""Runs of data and models that exist in the caller's code alone."""

from typing import Any

import numpy as np
import pytest
from torch import nn
from typer.testing import CliRunner

from gradtag_core.cli import main as cli
from gradtag_core.config import make_config
from gradtag_core.errors import GradTagError, InvalidInput
from gradtag_core.models.custom import own_model
from gradtag_core.models.encoder import EncoderArchitecture
from gradtag_core.models.mlp import MLP
from gradtag_core.models.multitask import MultitaskModel
from gradtag_core.runs import units as units_module
from gradtag_core.runs.linearise import linearise
from gradtag_core.runs.process import cancel
from gradtag_core.runs.start import execute, open_store, plan_in_code, run
from gradtag_core.runs.suites import add_suite
from gradtag_core.tasks.arrays import suite_of
from gradtag_core.tasks.registry import load_suite
from gradtag_core.tasks.suite import SplitRule

SMALL: dict[str, Any] = {
    "width": 8, "epochs": 2, "base_epochs": 2, "proj_dim": 6, "subset_size": 2, "n_subsets": 10, "n_groups": 2,
    "proxies_per_task": 1, "threads": 1,
}  # fmt: skip


@pytest.fixture
def suite():
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(150, 6))
    labels = inputs @ generator.normal(size=(6, 5)) + 0.3 * generator.normal(size=(150, 5)) > 0
    return suite_of(inputs, labels, list("abcde"), "mine", split_rule=SplitRule(0.3, 0.3))


@pytest.fixture
def model(suite):
    return own_model(build, "tanh-1", suite)


def build(n_outputs):
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, n_outputs))


@pytest.fixture
def trained(monkeypatch):
    """The tasks and the seed of each training that began, one by one."""
    found = []
    fit = units_module.Trainer.fit

    def noted(self, tasks, recipe, seed, *args, **kwargs):
        found.append((tuple(tasks), seed))
        return fit(self, tasks, recipe, seed, *args, **kwargs)

    monkeypatch.setattr(units_module.Trainer, "fit", noted)
    return found


def affinity(record, metric=None):
    found = record.affinity(metric)
    assert found is not None
    return found.values


def invoke(*words):
    return CliRunner().invoke(cli.app, list(words))


def test_a_run_on_own_data_with_an_own_model_is_stored_like_any_other(suite, model, trained):
    record = run(make_config(**SMALL, truth=6), suite=suite, model=model)
    assert record.grouping is not None
    assert sorted(task for group in record.grouping.groups for task in group) == list("abcde")
    assert record.summary.fingerprint == suite.fingerprint
    assert record.summary.suite == record.config.suite == "mine"
    assert record.comparison() is not None
    base = record.summary.costs["train"]
    n_examples = len(suite.subset("train", range(5)).examples)
    assert base.flops == 2 * n_examples * model.step_flops(5)
    store = open_store()
    row = store.get(record.summary.id)
    assert (row.state, row.suite) == ("done", "mine")
    assert "tanh-1" in row.name and "tanh-1" in row.command and "width=8" in row.command

    shown = invoke("show", row.id)
    assert shown.exit_code == 0 and "Group 1: " in shown.stdout
    assert "gradtag_core.run(" in shown.stdout
    assert "equal flops" in invoke("compare", row.id).stdout
    # Once more: nothing is trained, and the numbers are the same.
    trained.clear()
    again = run(make_config(**SMALL, truth=6), suite=suite, model=model)
    assert trained == [] and again.summary.id != row.id
    np.testing.assert_array_equal(affinity(again), affinity(record))
    other = own_model(build, "tanh-2", suite)
    run(make_config(**SMALL, truth=0), suite=suite, model=other)
    assert trained


def test_the_built_in_perceptron_in_code_gives_the_built_in_run(suite):
    def perceptron(n_outputs):
        return MultitaskModel(MLP((6,), 64), 64, [1] * n_outputs)

    config = make_config(**{**SMALL, "width": 64, "proxies_per_task": 4})
    theirs = run(config, suite=suite)
    mine = run(config, suite=suite, model=own_model(perceptron, "mlp-1", suite))
    np.testing.assert_allclose(affinity(mine, "loss"), affinity(theirs, "loss"), atol=1e-4)
    assert mine.proxies is not None and theirs.proxies is not None
    np.testing.assert_array_equal(mine.proxies.values, theirs.proxies.values)
    for stage in ("train", "featurize", "proxies"):
        assert mine.summary.costs[stage].flops == theirs.summary.costs[stage].flops


def test_any_architecture_will_do_and_any_suite_that_is_known(trained):
    config = make_config(suite="digits", n_tasks=3, **{**SMALL, "n_subsets": 3})
    digits = load_suite("digits", 3)
    record = run(config, model=EncoderArchitecture.of("cnn", digits, 8))
    assert record.summary.task_names == digits.task_names
    assert "EncoderArchitecture" in record.summary.command
    # The data of a suite that ships may come under its name, cut as one likes.
    run(make_config(**{**SMALL, "n_subsets": 3}), suite=load_suite("digits", tasks=digits.task_names[::-1]))


def test_what_contradicts_is_told_before_anything_is_stored(suite, model, own_home):
    def refused(message, config=None, **given):
        with pytest.raises(InvalidInput, match=message):
            run(make_config(**{**SMALL, **(config or {})}), **given)

    refused("name of the suite that is given, `mine`; found `yeast`", {"suite": "yeast"}, suite=suite)
    refused(
        "`model` of the configuration must be left out.*`mlp`", {"model": "mlp"}, suite=suite, model=model
    )
    refused("`model` must be made for the tasks", {"n_tasks": 3, "n_subsets": 3}, suite=suite, model=model)
    refused("`model` must be made for the tasks", suite=load_suite("digits"), model=model)
    ids = np.zeros((150, 3), np.int64)
    reader = own_model(lambda n: nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(12, n)), "ids-1", suite,
                       inputs=ids)  # fmt: skip
    refused("`proxies_per_task` must be 0 for the model `ids-1`", suite=suite, model=reader)
    imposter = suite_of(suite.inputs, suite.labels, suite.task_names, "digits")
    refused("`suite` must not have the name of another one; .*`digits` with other data", suite=imposter)
    add_suite(suite)
    assert plan_in_code(make_config(**SMALL), suite).suite is suite
    other = suite_of(suite.inputs + 1, suite.labels, suite.task_names, "mine")
    refused("there is a suite `mine` with other data", suite=other)
    assert [row for row in open_store().list() if not row.sample] == []


def test_without_small_models_a_model_needs_none(suite):
    ids = (suite.inputs > 0).astype(np.int64)
    reader = own_model(
        lambda n: nn.Sequential(nn.Embedding(2, 4), nn.Flatten(), nn.Linear(24, n)),
        "ids-1",
        suite,
        inputs=ids,
    )
    record = run(make_config(**{**SMALL, "proxies_per_task": 0}), suite=suite, model=reader)
    assert record.proxies is None and record.affinity() is not None


def test_only_the_code_can_resume_it_and_goes_on_where_it_stopped(suite, model, trained):
    store, config = open_store(), make_config(**SMALL, truth=6)
    stopped = []

    def stop_at_the_groups(progress, fraction, seconds_left):
        if progress.stage == "Training the groups" and not stopped:
            stopped.append(cancel(store, store.list()[0].id))

    with pytest.raises(GradTagError, match="was cancelled; call `run` again to finish it"):
        run(config, store, stop_at_the_groups, suite=suite, model=model)
    row = store.list()[0]
    assert row.state == "cancelled"

    resumed = invoke("resume", row.id)
    assert resumed.exit_code == 1
    assert "began in code" in resumed.stderr and "call `gradtag_core.run` again" in resumed.stderr
    assert store.get(row.id).state == "failed"
    assert execute(store, store.reopen(row.id).id).error == store.get(row.id).error

    base = ((0, 1, 2, 3, 4), 0)
    assert trained.count(base) == 1
    trained.clear()
    record = run(config, store, suite=suite, model=model)
    assert record.trained is not None
    assert trained and base not in trained
    whole = run(config, type(store)(store.home / "other"), suite=suite, model=model)
    np.testing.assert_array_equal(affinity(whole), affinity(record))


def test_another_model_is_not_taken_for_its_own():
    """A run on data that ship could be repeated with a built-in model by mistake."""
    digits = load_suite("digits", 3)
    own = own_model(lambda n: nn.Sequential(nn.Flatten(), nn.Linear(64, n)), "linear-1", digits)
    config = make_config(suite="digits", n_tasks=3, **{**SMALL, "n_subsets": 3})
    record = run(config, model=own)
    with pytest.raises(InvalidInput, match="began in code"):
        linearise(open_store(), record.summary.id)
