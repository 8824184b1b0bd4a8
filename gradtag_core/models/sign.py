"""SIGN: a graph network without message passing at training time (Frasca et al. 2020, arXiv 2004.11198)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class SIGN(nn.Module):
    """One two-layer perceptron per hop over features propagated beforehand, then a joint layer.

    With its heads it is the paper's model (appendix C.1.1): at width 256, 128 features, 3 hops and 100 tasks
    it has 683,370 parameters. Maps (B, hops + 1, features), or (B, features) as zero hops, to (B, width).
    """

    def __init__(self, input_shape: tuple[int, ...], width: int):
        super().__init__()
        n_hops, n_features = input_shape if len(input_shape) == 2 else (1, *input_shape)
        self.hops = nn.ModuleList(
            nn.Sequential(nn.Linear(n_features, width), nn.PReLU(), nn.Linear(width, width))
            for _ in range(n_hops)
        )
        self.joint = nn.Sequential(nn.PReLU(), nn.Linear(n_hops * width, width), nn.PReLU())

    def forward(self, inputs: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch width"]:
        per_hop = inputs.unsqueeze(1) if inputs.ndim == 2 else inputs
        return self.joint(torch.cat([hop(per_hop[:, index]) for index, hop in enumerate(self.hops)], dim=-1))
