"""The architecture that a configuration asks for, on a suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradtag_core.config import ModelKind, RunConfig
from gradtag_core.models.architecture import Architecture
from gradtag_core.models.encoder import EncoderArchitecture
from gradtag_core.models.transformer import TransformerArchitecture

if TYPE_CHECKING:
    from gradtag_core.tasks.suite import Modality, TaskSuite

DEFAULTS: dict[Modality, ModelKind] = {"graph": "sign", "table": "mlp", "image": "cnn", "text": "transformer"}


def model_kind(asked: ModelKind | None, suite: TaskSuite) -> ModelKind:
    """The kind asked for, or the one that suits the examples."""
    return asked or DEFAULTS[suite.modality]


def architecture_of(config: RunConfig, suite: TaskSuite) -> Architecture:
    """The architecture of a configuration; `InvalidInput` where its model cannot read the suite's examples."""
    kind = model_kind(config.model, suite)
    if kind == "transformer":
        return TransformerArchitecture.of(config, suite)
    return EncoderArchitecture.of(kind, suite, config.width)
