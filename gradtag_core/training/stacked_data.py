"""The training data of several models side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gradtag_core.models.architecture import ModelInputs
from gradtag_core.tasks.suite import SubsetData


@dataclass(frozen=True)
class StackedData:
    """The subsets of several models, rows one after another and a last row that pads: it weighs nothing.

    `inputs` (U * branches, features) holds each example once, branch after branch; `examples` (R + 1,) numbers the
    example of each row; `labels`, `weights` (R + 1, s); the rows of model i start at `offsets[i]`.
    """

    inputs: Tensor
    branches: int
    examples: Tensor
    labels: Tensor
    weights: Tensor
    offsets: list[int]

    @classmethod
    def of(
        cls, inputs: ModelInputs, data: Sequence[SubsetData], weights: Sequence[np.ndarray], branches: int,
        device: torch.device,
    ) -> "StackedData":  # fmt: skip
        used, places = np.unique(np.concatenate([part.examples for part in data]), return_inverse=True)
        offsets = np.cumsum([0, *(len(part.examples) for part in data)]).tolist()
        padding = np.zeros((1, data[0].labels.shape[1]), dtype=np.float32)
        labels = np.concatenate([*(part.labels for part in data), padding])
        return cls(
            inputs[torch.from_numpy(used)].reshape(len(used) * branches, -1).to(device),
            branches,
            torch.from_numpy(np.append(places, 0)).to(device),
            torch.from_numpy(labels).to(device),
            torch.from_numpy(np.concatenate([*weights, padding])).to(device),
            offsets,
        )

    def rows(self, own: Sequence[Tensor], width: int) -> Int[Tensor, "models width"]:
        """Rows of this table from each model's own row numbers, padded to one width."""
        rows = torch.full((len(own), width), self.offsets[-1])
        for model, batch in enumerate(own):
            rows[model, : len(batch)] = batch + self.offsets[model]
        return rows.to(self.inputs.device)

    def inputs_of(self, rows: Int[Tensor, "models batch"]) -> Float[Tensor, "branches models batch features"]:
        """Each branch of each model's inputs."""
        branch = torch.arange(self.branches, device=rows.device)[:, None, None]
        places = self.examples[rows] * self.branches + branch
        return self.inputs.index_select(0, places.flatten()).view(*places.shape, -1)

    def logit_gradients(
        self, logits: Float[Tensor, "models tasks batch"], rows: Int[Tensor, "models batch"],
        scale: Float[Tensor, "models"],
    ) -> Float[Tensor, "models tasks batch"]:  # fmt: skip
        """The gradient of each model's loss, the weighted log loss of its rows times its `scale`, at its logits."""
        labels, weights = (
            table.index_select(0, rows.flatten()).view(*rows.shape, -1).transpose(1, 2)
            for table in (self.labels, self.weights)
        )
        return logits.sigmoid().sub_(labels).mul_(weights * scale[:, None, None])
