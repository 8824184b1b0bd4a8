"""Suites small enough that any method runs on them in a second, and their settings: planted, and of graphs."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from gradtag_core.config import make_config
from gradtag_core.methods import grad_tag
from gradtag_core.methods.protocol import Setting
from gradtag_core.models.encoder import EncoderArchitecture
from gradtag_core.tasks.community import community_suite
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
    architecture = EncoderArchitecture("mlp", suite.inputs.shape[1:], 8, suite.n_tasks)
    recipe = Recipe(epochs=4, learning_rate=0.01, batch_size=24, weighting="rows")
    return Setting(suite, architecture, recipe, torch.device("cpu"), n_groups=2, seed=3)


@pytest.fixture(scope="session")
def training_flops(setting):
    """FLOPs of training one model on some tasks, counted anew from the suite."""

    def flops(tasks):
        examples = set().union(*(setting.suite.indices("train", task).tolist() for task in tasks))
        return setting.recipe.epochs * len(examples) * setting.architecture.step_flops(len(tasks))

    return flops


def clique_edges(members):
    return [(first, second) for first in members for second in members if first < second]


@pytest.fixture(scope="session")
def clique_graph():
    """Two cliques of ten nodes joined by an edge: 20 nodes, 91 edges."""
    return np.array([*clique_edges(range(10)), *clique_edges(range(10, 20)), (9, 10)])


@pytest.fixture(scope="session")
def graph_setting():
    """A setting for communities of a graph, with half of each class to train and a quarter to validate."""

    def make(edges, communities, **changes):
        suite = community_suite(edges, communities, hops=1, dim=8, split_rule=SplitRule(0.5, 0.25))
        architecture = EncoderArchitecture("sign", suite.inputs.shape[1:], 8, suite.n_tasks)
        recipe = Recipe(epochs=4, learning_rate=0.01, batch_size=24, weighting="rows")
        return Setting(suite, architecture, recipe, torch.device("cpu"), n_groups=1, seed=1, **changes)

    return make


@pytest.fixture(scope="session")
def cliques(clique_graph, graph_setting):
    """Two tasks: the members of each clique."""
    return graph_setting(clique_graph, [np.arange(10), np.arange(10, 20)])


@pytest.fixture(scope="session")
def overlapping_graph():
    """Edges and communities: four of 40 nodes on a ring of 120, each sharing ten with the next, and three nodes that
    no edge reaches."""
    rng = np.random.default_rng(0)
    communities = [(30 * place + np.arange(40)) % 120 for place in range(4)]
    together = np.zeros((120, 120), dtype=bool)
    for own in communities:
        together[np.ix_(own, own)] = True
    edges = np.argwhere(np.triu(rng.random((120, 120)) < np.where(together, 0.6, 0.005), 1))
    communities[1] = np.append(communities[1], [500, 501, 502])
    return edges, communities


@pytest.fixture(scope="session")
def overlapping(overlapping_graph, graph_setting):
    return graph_setting(*overlapping_graph)
