"""HOA: groups predicted from models really trained on every task alone and on every pair (Standley et al., ICML 2020,
arXiv 1905.07553)."""

from gradtag_core.affinity.matrix import average
from gradtag_core.affinity.subsets import pairwise_subsets
from gradtag_core.cost import measure
from gradtag_core.methods.group_choice import choose_groups
from gradtag_core.methods.protocol import MethodResult, Setting
from gradtag_core.methods.searched import search_subsets
from gradtag_core.methods.trained_groups import train_groups


def run(setting: Setting) -> MethodResult:
    """The score of a task in a group is taken to be its mean over its pairs with the others, alone its own."""
    suite = setting.suite
    with measure() as meter:
        pairs = pairwise_subsets(suite.n_tasks)
        search = search_subsets(setting, pairs, "Training tasks alone and in pairs", meter)
        affinity = average(search.scores, setting.metric).values
        chosen = choose_groups(
            affinity, setting.n_groups, suite.task_names, singletons=True, seed=setting.search_seed
        )
        trained = train_groups(setting, chosen.groups, meter, chosen.served_by)
    return trained.result(setting, "hoa", meter.cost + search.not_run, search.sample)
