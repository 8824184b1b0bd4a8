"""A PyTorch Geometric model on sampled neighbourhoods: which tags of Debian packages should it learn together?

Gradients are taken row by row, so each example must be a graph of its own: a node with a few of its neighbours. A
convolution over the whole graph would mix the rows.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch_geometric.nn import DenseGINConv

from gradtag_core import load_suite, make_config, own_model, run
from gradtag_core.tasks.suite import SplitRule

MEMBERS = 8  # the node and seven neighbours
few = SplitRule(cap_train=60, cap_validation=80, cap_test=80)
suite = replace(load_suite("debian", 8), name="package-graph", split_rule=few)
assert suite.edges is not None


# --- what you write: 25 lines ---
class Neighbourhoods:
    """Tensors (B, members, features) for examples, gathered when they are asked for; the node itself is first."""

    def __init__(self, features: np.ndarray, edges: np.ndarray):
        self.features = torch.from_numpy(features)
        both = np.random.default_rng(0).permutation(np.concatenate([edges, edges[:, ::-1]]))
        self.members = np.repeat(np.arange(len(features))[:, None], MEMBERS, axis=1)
        for place in range(
            1, MEMBERS
        ):  # a node with few neighbours has some of them twice, or itself if it has none
            both = np.roll(both, len(both) // MEMBERS, axis=0)
            self.members[both[:, 0], place] = both[:, 1]

    def __getitem__(self, examples: torch.Tensor) -> torch.Tensor:
        return self.features[torch.from_numpy(self.members)[examples]]


class GIN(nn.Module):
    def __init__(self, n_outputs: int, width: int = 32):
        super().__init__()
        self.convolution = DenseGINConv(nn.Sequential(nn.Linear(suite.inputs.shape[-1], width), nn.ReLU()))
        self.head = nn.Linear(width, n_outputs)
        star = torch.zeros(MEMBERS, MEMBERS)
        star[0, 1:] = 1  # the node hears its neighbours
        self.register_buffer("star", star, persistent=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.head(self.convolution(features, self.star)[:, 0])


inputs = Neighbourhoods(suite.inputs[:, 0], suite.edges)
model = own_model(GIN, "gin-1", suite, inputs=inputs)
# --- end ---

record = run(make_config("quick", proxies_per_task=0, n_groups=2, n_subsets=40), suite=suite, model=model)
assert record.grouping is not None
for number, group in enumerate(record.grouping.groups, start=1):
    print(f"Group {number}: {', '.join(group)}")
estimate = sum(record.summary.costs[stage].flops for stage in ("train", "featurize", "regress"))
print(f"FLOPs of the estimate, of training every subset: {estimate / record.summary.full_training_flops:.1%}")
