"""A small convolutional network, for images."""

from jaxtyping import Float
from torch import Tensor, nn

from gradtag_core.models.encoder import cnn_sizes


class CNN(nn.Module):
    """Two convolutions of 3 by 3, the first of which halves the image, and a layer over the largest values in up to
    4 by 4 fields; maps images (B, channels, rows, columns) to (B, width).

    Norms over all of an image, which make it train in few steps, keep examples apart, unlike a batch norm.
    """

    def __init__(self, input_shape: tuple[int, ...], width: int):
        super().__init__()
        channels, halved, fields = cnn_sizes(input_shape, width)
        self.layers = nn.Sequential(
            nn.Conv2d(input_shape[0], channels, 3, stride=2, padding=1), nn.GroupNorm(1, channels), nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1), nn.GroupNorm(1, channels), nn.ReLU(),
            nn.AdaptiveMaxPool2d(fields) if fields != halved else nn.Identity(),
            nn.Flatten(), nn.Linear(channels * fields[0] * fields[1], width), nn.PReLU(),
        )  # fmt: skip

    def forward(self, inputs: Float[Tensor, "batch channels rows columns"]) -> Float[Tensor, "batch width"]:
        return self.layers(inputs)
