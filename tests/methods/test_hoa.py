from dataclasses import replace

import numpy as np

from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.affinity.subsets import pairwise_subsets
from gradtag_core.config import METRICS
from gradtag_core.cost import Cost
from gradtag_core.methods import hoa
from gradtag_core.methods.protocol import run_method
from gradtag_core.methods.searched import Search, training_flops


def test_every_task_alone_and_every_pair_is_paid_for(setting):
    result = run_method("hoa", setting)
    assert result.groups is not None
    pairs = sum(training_flops(setting, pair) for pair in pairwise_subsets(6))
    validation = [training_flops(setting, g) for g in result.groups]
    assert pairs < result.cost.flops <= pairs + sum(validation)


def test_pair_additive_scores_give_the_best_groups_by_brute_force(setting, planted, monkeypatch):
    """Tasks help those of their group and hurt others: the planted groups are best, each served by its own."""
    same = planted.groups[:, None] == planted.groups
    values = []
    for pair in pairwise_subsets(6):
        for task in pair:
            other = pair[-1] if task == pair[0] else pair[0]
            values.append(0.5 if len(pair) == 1 else 0.5 + (0.2 if same[task, other] else -0.2))
    table = np.repeat(np.array(values)[:, None], len(METRICS), axis=1)

    def known(setting, subsets, stage, meter):
        return Search(SubsetScores.of_seed(setting.suite.task_names, subsets, table, 0, "trained", Cost()))

    monkeypatch.setattr(hoa, "search_subsets", known)
    result = hoa.run(setting)
    assert result.groups is not None
    assert result.served_by is not None
    for task, group in enumerate(result.served_by):
        members = set(result.groups[group])
        assert members <= set(np.flatnonzero(same[task]).tolist()) and len(members) > 1


def test_where_pairs_are_too_dear_the_result_says_on_what_it_stands(setting):
    full = run_method("hoa", setting)
    pairs = sum(training_flops(setting, pair) for pair in pairwise_subsets(6))
    result = run_method("hoa", replace(setting, search_flops=0.7 * pairs))
    assert result.sample is not None
    assert result.estimated and "of 21 subsets were trained" in result.sample
    finals = [sum(training_flops(setting, g) for g in r.groups or ()) for r in (full, result)]
    assert abs(result.cost.flops - full.cost.flops) <= abs(finals[0] - finals[1]) + 0.1 * max(finals)
    assert result.cost.flops > pairs


def test_tasks_that_pairs_hurt_stay_alone(setting, monkeypatch):
    def known(setting, subsets, stage, meter):
        values = [0.5 if len(subset) == 1 else 0.4 for subset in subsets for _ in subset]
        table = np.repeat(np.array(values)[:, None], len(METRICS), axis=1)
        return Search(SubsetScores.of_seed(setting.suite.task_names, subsets, table, 0, "trained", Cost()))

    monkeypatch.setattr(hoa, "search_subsets", known)
    groups = hoa.run(replace(setting, n_groups=6)).groups
    assert groups is not None and set(groups) == {(task,) for task in range(6)}
