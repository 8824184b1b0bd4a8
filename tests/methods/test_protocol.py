import inspect
import json
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from threading import Event

import numpy as np
import pytest
import torch

from gradtag_core.config import METRICS
from gradtag_core.errors import Cancelled, InvalidInput
from gradtag_core.methods.protocol import METHODS, MethodResult, find_method, run_method
from gradtag_core.progress import Reporter

NAMES = [info.name for info in METHODS]


@pytest.fixture(scope="module")
def setting(setting):
    """Four tasks, since every method runs twice, and a graph, for the methods that need one."""
    architecture = replace(setting.architecture, n_tasks=4, outputs=())
    suite = setting.suite.select(4)
    nearest = np.argsort(((suite.inputs[:, None] - suite.inputs) ** 2).sum(-1), axis=1)[:, 1:6]
    pairs = np.stack([np.repeat(np.arange(suite.n_examples), 5), nearest.ravel()], axis=1)
    edges = np.unique(np.sort(pairs, axis=1), axis=0)
    return replace(setting, suite=replace(suite, edges=edges), architecture=architecture)


@pytest.fixture(scope="module", params=NAMES)
def result(request, setting):
    return run_method(request.param, setting)


def test_every_method_scores_every_task_on_both_splits(result, setting):
    assert result.method in NAMES
    assert result.task_names == setting.suite.task_names
    for scores in (result.validation, result.test):
        assert scores.shape == (setting.suite.n_tasks, len(METRICS))
        assert np.isfinite(scores).all()
    assert not np.array_equal(result.validation, result.test)
    assert result.cost.flops > 0 and result.cost.seconds > 0 and result.cost.peak_bytes > 0
    assert not result.estimated and result.sample is None


def test_groups_hold_the_tasks_that_they_serve(result, setting):
    if result.groups is None:
        assert result.served_by is None
        return
    assert len(result.served_by) == setting.suite.n_tasks
    for task, group in enumerate(result.served_by):
        assert task in result.groups[group]
    if result.method not in ("single_task", "naive_mtl"):
        assert 1 <= len(result.groups) <= setting.n_groups


def test_every_task_has_the_scores_of_the_group_that_serves_it(result, setting):
    if result.groups is None:
        return
    group = result.groups[result.served_by[0]]
    model = setting.trainer.fit(group, setting.recipe, setting.seed)
    for split, scores in (("validation", result.validation), ("test", result.test)):
        expected = setting.trainer.score(model, group, split)[group.index(0)]
        np.testing.assert_allclose(scores[0], expected, atol=0.03)


def test_the_same_setting_gives_the_same_scores_and_draws_from_its_own_seeds(result, setting):
    before = torch.get_rng_state(), np.random.get_state(legacy=False)["state"]["key"].copy()
    again = run_method(result.method, setting)
    np.testing.assert_array_equal(result.test, again.test)
    assert (result.groups, result.choices) == (again.groups, again.choices)
    assert result.cost.flops == pytest.approx(again.cost.flops, rel=1e-12)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state(legacy=False)["state"]["key"])


def test_a_result_survives_its_file(result):
    read = MethodResult.from_json(json.loads(json.dumps(result.to_json())))
    assert read.to_json() == result.to_json()
    assert read.mean_score("auc") == result.mean_score("auc")
    assert read.groups == result.groups


@pytest.mark.parametrize("name", NAMES)
def test_a_method_can_be_cancelled(name, setting):
    stop = Event()
    stop.set()
    with pytest.raises(Cancelled):
        run_method(name, replace(setting, reporter=Reporter(cancel=stop)))


@pytest.mark.parametrize("info", METHODS, ids=NAMES)
def test_every_method_runs_with_the_options_that_it_is_listed_with(info):
    parameters = inspect.signature(import_module(f"gradtag_core.methods.{info.module}").run).parameters
    assert info.options.keys() <= parameters.keys()
    assert info.description.endswith(".") and info.title


def test_a_method_that_needs_a_graph_refuses_a_suite_without_one(setting):
    without = replace(setting, suite=replace(setting.suite, edges=None))
    needing = [info.name for info in METHODS if info.needs_graph]
    assert needing == ["louvain", "bigclam", "node2vec", "verse", "mincut", "dmon"]
    for name in needing:
        with pytest.raises(InvalidInput, match=f"`{name}` needs a graph; `planted` has none"):
            run_method(name, without)


def test_an_unknown_method_is_named_with_the_nearest_one():
    with pytest.raises(InvalidInput, match=r"found `naive_mlt`\. Did you mean `naive_mtl`"):
        find_method("naive_mlt")
    with pytest.raises(InvalidInput, match=r"found `xyz`\.$"):
        find_method("xyz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_groups": 5}, "`n_groups`"),
        ({"metric": "recall"}, "`metric`"),
        ({"search_flops": 0.0}, "`search_flops`"),
    ],
)
def test_a_setting_that_breaks_a_rule_is_refused(setting, change, message):
    with pytest.raises(InvalidInput, match=message):
        replace(setting, **change)


def test_an_architecture_for_another_suite_is_refused(setting):
    with pytest.raises(InvalidInput, match="`architecture` must be one for the 4 tasks"):
        replace(setting, architecture=replace(setting.architecture, n_tasks=5))


def test_listing_the_methods_needs_no_torch():
    code = "import sys, gradtag_core.methods.protocol; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "change",
    [{"cost": 3}, {"validation": "x"}, {"groups": 1}, {"choices": None}, {"validation": [[10**400]]}],
)
def test_a_stored_result_that_was_changed_is_told(setting, change):
    stored = run_method("naive_mtl", setting).to_json()
    for values in ({**stored, **change}, {}):
        with pytest.raises(InvalidInput, match="must be as it was written"):
            MethodResult.from_json(values)
