"""A planted suite small enough that any method runs on it in a second, and its setting."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from gradtag_core.config import make_config
from gradtag_core.methods import grad_tag
from gradtag_core.methods.protocol import Setting
from gradtag_core.models.architecture import Architecture
from gradtag_core.tasks.planted import planted_suite
from gradtag_core.tasks.suite import SplitRule
from gradtag_core.training.trainer import Recipe


@pytest.fixture(scope="session")
def planted():
    """Six tasks in two groups that share their examples."""
    made = planted_suite(6, 2, n_labelled=240, overlap=1.0, n_features=8)
    return replace(made, suite=replace(made.suite, split_rule=SplitRule(0.3, 0.3)))


@pytest.fixture(scope="session", autouse=True)
def short_gradients():
    """Those of models this small need few dimensions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grad_tag, "make_config", partial(make_config, proj_dim=20))
        yield


@pytest.fixture(scope="session")
def setting(planted):
    suite = planted.suite
    architecture = Architecture("mlp", suite.inputs.shape[1:], 8, suite.n_tasks)
    recipe = Recipe(epochs=4, learning_rate=0.01, batch_size=24, weighting="rows")
    return Setting(suite, architecture, recipe, torch.device("cpu"), n_groups=2, seed=3)


@pytest.fixture(scope="session")
def training_flops(setting):
    """FLOPs of training one model on some tasks, counted anew from the suite."""

    def flops(tasks):
        examples = set().union(*(setting.suite.indices("train", task).tolist() for task in tasks))
        return setting.recipe.epochs * len(examples) * setting.architecture.step_flops(len(tasks))

    return flops
