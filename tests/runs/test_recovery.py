"""The main path on tasks whose true relations are known."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from gradtag_core.affinity.matrix import average
from gradtag_core.config import make_config
from gradtag_core.evaluation.agreement import agreement
from gradtag_core.grouping.cluster import cluster
from gradtag_core.progress import Reporter
from gradtag_core.runs.files import UnitCache
from gradtag_core.runs.plan import make_plan
from gradtag_core.runs.units import Units
from gradtag_core.tasks.planted import planted_suite


def estimated_affinity(planted, folder):
    config = make_config(None, suite="planted", n_inits=2, subset_size=4, n_groups=3, width=32, l2=1e-3)
    units = Units(make_plan(config, planted.suite), UnitCache(folder), Reporter(), lambda stage, key: None)
    first, second = (units.estimated(seed) for seed in config.init_seeds)
    return average(first.join(second), "average_precision").values


def lead_of_partners(values, groups):
    """How much more co-tasks of the same group help than others, in standard errors."""
    others = ~np.eye(len(values), dtype=bool)
    centred = values - np.where(others, values, np.nan).mean(axis=1, where=others, keepdims=True)
    same = (groups[:, None] == groups[None, :]) & others
    inside, outside = centred[same], centred[others & ~same]
    error = np.sqrt(inside.var(ddof=1) / len(inside) + outside.var(ddof=1) / len(outside))
    return (inside.mean() - outside.mean()) / error


@pytest.mark.parametrize("seed", [0, 1])
def test_planted_groups_are_recovered(tmp_path, seed):
    planted = planted_suite(12, 3, "groups", seed=seed)
    values = estimated_affinity(planted, tmp_path)
    assert agreement(values, planted.affinity).row_spearman > 0.4
    assert lead_of_partners(values, planted.groups) > 6
    assert adjusted_rand_score(planted.groups, cluster(values, 3).labels) == 1


@pytest.mark.parametrize("seed", [0, 1])
def test_no_transfer_is_found_where_there_is_none(tmp_path, seed):
    planted = planted_suite(12, 3, "independent", seed=seed)
    any_groups = np.arange(12) % 3
    assert abs(lead_of_partners(estimated_affinity(planted, tmp_path), any_groups)) < 3


def test_a_chain_helps_neighbours_most(tmp_path):
    planted = planted_suite(12, 3, "chain", seed=0)
    assert agreement(estimated_affinity(planted, tmp_path), planted.affinity).row_spearman > 0.2
