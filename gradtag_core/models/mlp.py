"""A multilayer perceptron, for tables."""

from math import prod

from jaxtyping import Float
from torch import Tensor, nn


class MLP(nn.Module):
    """Two hidden layers over the flattened inputs; maps (B, ...) to (B, width)."""

    def __init__(self, input_shape: tuple[int, ...], width: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(prod(input_shape), width), nn.PReLU(), nn.Linear(width, width), nn.PReLU()
        )

    def forward(self, inputs: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch width"]:
        return self.layers(inputs.flatten(1))
