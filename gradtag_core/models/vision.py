"""A pretrained image classifier as the shared encoder of a multitask model: what its own classifier reads."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from gradtag_core.errors import InvalidInput
from gradtag_core.models.image_format import ImageFormat
from gradtag_core.models.text_encoder import Backbone


def without_classifier(model: nn.Module) -> int:
    """Change the model so that its logits are what its classifier reads; how many numbers that is."""
    classifier = getattr(model, "classifier", None)
    layers = [] if classifier is None else list(classifier.named_modules(prefix="classifier"))
    for name, layer in reversed(layers):
        if isinstance(layer, nn.Linear):
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, nn.Identity())
            return layer.in_features
    raise InvalidInput(
        "`pretrained` must be an image classifier whose `classifier` ends in a linear layer; "
        f"{type(model).__name__} is none."
    )


class ImageEncoder(Backbone):
    """Maps images (B, channels, height, width) as the model wants them, or hidden states (B, L, width + 1), whose last
    column is all ones, to what the model's classifier would read, (B, width)."""

    def __init__(self, model: nn.Module, reads_states: bool):
        super().__init__(model)
        self._reads_states = reads_states

    def forward(self, inputs: Tensor) -> Float[Tensor, "batch width"]:
        return self.model(pixel_values=inputs[..., :-1] if self._reads_states else inputs).logits


class PixelInputs:
    """Images as a model wants them, made when asked for: a batch is (B, channels, height, width)."""

    flops = 0.0

    def __init__(self, images: np.ndarray, wanted: ImageFormat, positions: int):
        self._images = images
        self._wanted = wanted
        self._positions = positions
        low, high = float(images.min()), float(images.max())
        # Shades from 0 to 1 are taken as they are; others, such as 0 to 255 or standardised ones, are brought there.
        self._low, self._range = (0.0, 1.0) if 0 <= low <= high <= 1 else (low, (high - low) or 1.0)

    def __len__(self) -> int:
        return len(self._images)

    @property
    def nbytes(self) -> int:
        return self._images.nbytes

    def lengths(self, examples: Tensor) -> Tensor:
        """Positions of the hidden states of each: (B,)."""
        return torch.full((len(examples),), self._positions)

    def __getitem__(self, examples: Tensor) -> Float[Tensor, "batch channels height width"]:
        wanted = self._wanted
        shades = (torch.from_numpy(self._images[examples.numpy()]) - self._low) / self._range
        if shades.shape[1] != wanted.channels:
            shades = shades.expand(-1, wanted.channels, -1, -1)
        if shades.shape[2:] != wanted.size:
            shades = nn.functional.interpolate(shades, wanted.size, mode="bilinear", antialias=True)
        mean, deviation = (torch.tensor(values)[:, None, None] for values in (wanted.mean, wanted.deviation))
        return (shades - mean) / deviation
