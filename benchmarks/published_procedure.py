"""The published procedure of Grad-TAE (arXiv 2409.06091, section 3.2, algorithm 1), written from its description.

One backward call per training row; its gradient times a dense float64 matrix P; one scikit-learn regression per subset;
one forward pass per subset at θ* + P w. Only its speed is of interest here.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from gradtag_core.affinity.subsets import Subset
from gradtag_core.gradients.features import GradientFeatures
from gradtag_core.tasks.suite import Rows, TaskSuite
from gradtag_core.training.metrics import score_logits
from gradtag_core.training.trainer import BaseModel

INVERSE_PENALTY = 1e-2  # scikit-learn's C
ROWS_PROJECTED_TOGETHER = (
    64  # one product for several rows flatters this side: P is read once for all of them
)


class PublishedProcedure:
    """Its stages at one base model; P, (parameters, dim), is drawn here once and stays in memory."""

    def __init__(self, suite: TaskSuite, base: BaseModel, dim: int, seed: int, device: torch.device):
        self._suite = suite
        self._model = base.build(device)
        self._parameters = list(self._model.parameters())
        self._start = parameters_to_vector(self._parameters).detach()
        generator = torch.Generator(device).manual_seed(seed)
        shape = (len(self._start), dim)
        self._projection = torch.randn(shape, generator=generator, device=device, dtype=torch.float64)
        self._projection /= dim**0.5
        self._inputs = torch.from_numpy(suite.inputs).to(device)
        self._device = device

    def gradients(self, rows: Rows, chosen: np.ndarray) -> torch.Tensor:
        """The projected gradients of some rows: (chosen, dim), float64."""
        parts = [
            self._projected(rows, part) for part in torch.from_numpy(chosen).split(ROWS_PROJECTED_TOGETHER)
        ]
        return torch.cat(parts)

    def _projected(self, rows: Rows, chosen: torch.Tensor) -> torch.Tensor:
        gradients = []
        for row in chosen.tolist():
            example = int(rows.example[row])
            logit = self._model(self._inputs[example : example + 1], [int(rows.task[row])])
            own = torch.autograd.grad(logit.sum(), self._parameters)
            gradients.append(torch.cat([part.flatten() for part in own]))
        return torch.stack(gradients).double() @ self._projection

    def scores(self, features: GradientFeatures, subset: Subset) -> list[torch.Tensor]:
        """Regress one subset on the features of its training rows; every metric of its tasks at θ* + P w."""
        return self._score(self._regress(features, subset), subset)

    def _regress(self, features: GradientFeatures, subset: Subset) -> np.ndarray:
        own = [features.rows.of_task(task) for task in subset]
        gradients = np.concatenate([features.projected[part].double().numpy() for part in own])
        labels = np.concatenate([features.rows.label[part] for part in own])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it stops after scikit-learn's 100 steps
            return LogisticRegression(C=INVERSE_PENALTY).fit(gradients, labels).coef_[0]

    @torch.no_grad()
    def _score(self, weights: np.ndarray, subset: Sequence[int]) -> list[torch.Tensor]:
        change = self._projection @ torch.from_numpy(weights).to(self._device)
        vector_to_parameters(self._start + change.float(), self._parameters)
        data = self._suite.subset("validation", subset)
        logits = self._model(self._inputs[torch.from_numpy(data.examples)], subset).double()
        labels = torch.from_numpy(data.labels).to(self._device).double()
        vector_to_parameters(self._start, self._parameters)
        masks = torch.from_numpy(data.mask).to(self._device)
        return [
            score_logits(logits[masks[:, column], column, None], labels[masks[:, column], column])
            for column in range(len(subset))
        ]
