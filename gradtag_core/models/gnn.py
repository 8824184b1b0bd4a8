"""Graph networks of two layers on drawn neighbourhoods (`neighbourhoods`); the second is taken at the node alone."""

from itertools import chain

import torch
from jaxtyping import Float
from torch import Tensor, nn


class _GraphNetwork(nn.Module):
    """`first` acts on what every member of a neighbourhood has aggregated already, `second` on the sum of that.

    Maps (B, members, features + 1), the members' weights in the last column and the node itself first, to (B, width).
    """

    first: nn.Module
    second: nn.Module

    def forward(self, inputs: Float[Tensor, "batch members columns"]) -> Float[Tensor, "batch width"]:
        hidden = self.first(inputs[..., :-1])
        around = (inputs[..., -1:].transpose(1, 2) @ hidden).squeeze(1)
        return self.second(self.joined(hidden[:, 0], around))

    def joined(self, node: Tensor, around: Tensor) -> Tensor:
        """What the second layer reads: the weighted sum, which holds the node itself."""
        return around


class GCN(_GraphNetwork):
    """Graph convolutional network (Kipf and Welling 2017, arXiv 1609.02907, equation 2)."""

    def __init__(self, input_shape: tuple[int, ...], width: int):
        super().__init__()
        self.first = nn.Sequential(nn.Linear(input_shape[1] - 1, width), nn.PReLU())
        self.second = nn.Sequential(nn.Linear(width, width), nn.PReLU())


class GraphSAGE(_GraphNetwork):
    """GraphSAGE with the mean aggregator (Hamilton et al. 2017, arXiv 1706.02216, algorithm 1)."""

    def __init__(self, input_shape: tuple[int, ...], width: int):
        super().__init__()
        self.first = nn.Sequential(nn.Linear(input_shape[1] - 1, width), nn.PReLU())
        self.second = nn.Sequential(nn.Linear(2 * width, width), nn.PReLU())

    def joined(self, node: Tensor, around: Tensor) -> Tensor:
        return torch.cat([node, around], dim=1)


class GIN(_GraphNetwork):
    """Graph isomorphism network, ε = 0 (Xu et al. 2019, arXiv 1810.00826, equation 4.1).

    Its sums grow with degrees: a layer norm takes the place of the paper's batch norm, which would mix examples.
    """

    def __init__(self, input_shape: tuple[int, ...], width: int):
        super().__init__()
        self.first, self.second = (
            nn.Sequential(
                *chain.from_iterable(
                    (nn.Linear(n_in, width), nn.LayerNorm(width), nn.PReLU()) for n_in in (size, width)
                )
            )
            for size in (input_shape[1] - 1, width)
        )
