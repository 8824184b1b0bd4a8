"""TAG: how a step on one task's loss changes the others', probed while one model trains on all of them (Fifty et al.,
NeurIPS 2021, arXiv 2109.04617)."""

import numpy as np
import torch

from gradtag_core.cost import Meter, measure
from gradtag_core.methods.group_choice import choose_groups
from gradtag_core.methods.lookahead import Lookahead, filled, gain, mean_over_probes
from gradtag_core.methods.protocol import MethodResult, Setting
from gradtag_core.methods.trained_groups import train_groups

PROBES = 20  # of a training, evenly spaced


def lookahead_affinity(lookahead: Lookahead) -> np.ndarray:
    """Z[i, j]: the gain of task j when the shared parameters alone make one step on task i's loss, the same batch on
    both sides; NaN where the batch has no rows of i or j."""
    rows = []
    for update in lookahead.updates(lookahead.gradients):
        rows.append(gain(lookahead.losses, lookahead.losses_after(update)))
    z = torch.stack(rows).double().cpu().numpy()
    absent = ~lookahead.present.cpu().numpy()
    z[absent, :] = z[:, absent] = np.nan
    return z


def tag_affinity(setting: Setting, meter: Meter) -> np.ndarray:
    """T[i, j], the transpose of the mean of Z over the probes of one joint training."""
    return filled(mean_over_probes(setting, "shared", PROBES, lookahead_affinity, meter)).T


def run(setting: Setting) -> MethodResult:
    with measure() as meter:
        affinity = tag_affinity(setting, meter)
        chosen = choose_groups(
            affinity, setting.n_groups, setting.suite.task_names, singletons=False, seed=setting.search_seed
        )
        trained = train_groups(setting, chosen.groups, meter, chosen.served_by)
    return trained.result(setting, "tag", meter.cost)
