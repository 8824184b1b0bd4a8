"""Pretrained transformers with low-rank adapters, for texts and images."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from gradtag_core.config import RunConfig
from gradtag_core.errors import InvalidInput
from gradtag_core.models.architecture import Architecture, Layer, ModelInputs
from gradtag_core.models.image_format import ImageFormat
from gradtag_core.models.pretrained import Pretrained, Role, load, locate
from gradtag_core.models.transformer_layers import (
    ENCODER_DECODERS,
    ENCODERS,
    IMAGE_ENCODERS,
    Stack,
    TransformerShape,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gradtag_core.models.frozen import TransformerInputs
    from gradtag_core.models.pooled import PooledArchitecture
    from gradtag_core.tasks.suite import TaskSuite

PASS_BYTES = 2**25  # of activations in one pass for gradients: on two cores, more leaves the caches
SCORED_AT_ONCE = 512


@dataclass(frozen=True)
class TransformerArchitecture(Architecture):
    """A pretrained model whose last layers have adapters of `lora_rank` (LoRA); all else is frozen.

    `width` numbers of each example go to the heads of the tasks, or, where there are `answers` (of each task, the first
    token of the answer of each class), the model itself answers. `trained_layers` 0: all. `positions`: tokens of a
    text of the suite on average, or patches of an image, for the FLOP formulas; a batch that has texts of several
    lengths costs somewhat more. `image`: what images must be like.
    """

    pretrained: Pretrained
    role: Role
    width: int
    positions: int
    max_tokens: int
    lora_rank: int
    trained_layers: int
    n_tasks: int
    outputs: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...] | None = None
    image: ImageFormat | None = None

    @classmethod
    def of(cls, config: RunConfig, suite: TaskSuite) -> TransformerArchitecture:
        """The architecture for a suite of texts or images; `InvalidInput` where the model cannot read them."""
        pretrained = _suitable(config, suite)
        image = answers = None
        role: Role = "encoder"
        if suite.modality == "image":
            role, image = "image", ImageFormat.of(pretrained, suite.inputs.shape[1])
        elif suite.choices and pretrained.config.get("is_encoder_decoder") and all(suite.classes):
            from gradtag_core.models.text_inputs import answer_tokens

            role, answers = "seq2seq", answer_tokens(suite, pretrained, config.max_tokens)
        common = (
            config.max_tokens, config.lora_rank, config.trained_layers, suite.n_tasks, suite.outputs, answers, image,
        )  # fmt: skip
        shape = TransformerShape.of(pretrained)
        if image:
            positions = _patches(pretrained, image)
        else:
            from gradtag_core.models.text_inputs import mean_tokens

            positions = mean_tokens(suite, pretrained, config.max_tokens)
        found = cls(pretrained, role, shape.width if shape else 0, positions, *common)
        return found if shape else replace(found, width=found._measured[0])

    def to_json(self) -> dict[str, Any]:
        facts = {**asdict(replace(self, pretrained=Pretrained("", "", self.pretrained.folder)))}
        del facts["pretrained"]
        return {"kind": "transformer", "pretrained": self.pretrained.fingerprint, **facts}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is slower than it could be."""
        if not self.trained_layers or self.is_cut:
            return ()
        if self._shape and self.trained_layers >= self._shape.n_layers:
            return ()
        return (
            f"What lies below the trained layers of `{self.pretrained.name}` (model type "
            f"`{self.pretrained.model_type}`) is computed anew in each pass: where to cut such a model is not known.",
        )

    # What it costs

    @cached_property
    def _shape(self) -> TransformerShape | None:
        return TransformerShape.of(self.pretrained)

    @property
    def is_cut(self) -> bool:
        """Whether the layers below the adapters are computed once for each example and kept."""
        kinds = ENCODERS | IMAGE_ENCODERS
        n_layers = self._shape.n_layers if self._shape and self.pretrained.model_type in kinds else 0
        return 0 < self.trained_layers < n_layers

    def _stack(self, positions: int) -> Stack | None:
        """What a pass consists of, where the settings tell."""
        if not self._shape:
            return None
        shape = self._shape if self.role == "seq2seq" else replace(self._shape, n_decoder_layers=0)
        return Stack(shape, positions, self.lora_rank, self.trained_layers or shape.n_layers)

    @cached_property
    def _measured(self) -> tuple[int, tuple[Layer, ...], float]:
        from gradtag_core.models.measured_layers import measured

        return measured(self)

    def layers(self) -> list[Layer]:
        """Without those that are computed once for each example (`frozen_flops`)."""
        stack = self._stack(self.positions)
        if not stack:
            return list(self._measured[1])
        if self.is_cut:
            return stack.adapted()
        return [*self._embedding, *stack.frozen(), *stack.adapted(), *stack.decoder()]

    @property
    def _embedding(self) -> list[Layer]:
        """Of the patches of an image; tokens are looked up, and brought to the width where theirs is another."""
        if not self.image:
            n_in = self.pretrained.config.get("embedding_size", self.width)
            return [] if n_in == self.width else [Layer(n_in, self.width, self.positions, True, False)]
        n_in = self.image.channels * self.image.size[0] * self.image.size[1] // (self.positions - 1)
        return [Layer(n_in, self.width, self.positions - 1, is_first=True, trained=False)]

    @property
    def mixing_flops(self) -> float:
        stack = self._stack(self.positions)
        return stack.mixing_flops() if stack else self._measured[2]

    def frozen_flops(self, positions: int | None = None) -> float:
        """Of one example of so many positions (None: on average), spent once, when it is first read."""
        stack = self._stack(positions or self.positions)
        if not (stack and self.is_cut):
            return 0.0
        per_position = sum(layer.flops for layer in self._embedding) / self.positions
        return per_position * stack.positions + sum(layer.flops for layer in stack.frozen())

    @property
    def head_width(self) -> int:
        return 0 if self.answers else self.width

    @property
    def examples_per_pass(self) -> int:
        """So many that what their passes keep fits `PASS_BYTES`."""
        kept = sum(layer.positions * layer.n_out for layer in self.layers() if not layer.is_first)
        return max(1, min(SCORED_AT_ONCE, PASS_BYTES // (4 * 3 * kept)))

    @property
    def scored_at_once(self) -> int:
        return SCORED_AT_ONCE

    # What it is

    def small(self, width: int) -> PooledArchitecture:
        from gradtag_core.models.pooled import PooledArchitecture

        return PooledArchitecture("mlp", (self.width,), width, self.n_tasks, self.outputs, self)

    def small_learning_rate(self, learning_rate: float, width: int) -> float:
        """The same: on the pooled states of MiniLM, larger steps only overfit (Debian texts, ten epochs)."""
        return learning_rate

    def frozen(self) -> nn.Module:
        """The pretrained model, or the part of it above the cut, without adapters."""
        return _frozen(self.pretrained, self.role, self.trained_layers if self.is_cut else 0)

    def build(self, seed: int) -> nn.Module:
        import torch

        from gradtag_core.models.lora import (
            add_adapters,
            encoder_and_decoder,
            layer_stack,
            with_shared_weights,
        )
        from gradtag_core.models.multitask import MultitaskModel
        from gradtag_core.models.verbaliser import Verbaliser

        model = with_shared_weights(self.frozen())
        parts = encoder_and_decoder(model) if self.answers else [model]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            add_adapters(model, [layer_stack(part) for part in parts], self.lora_rank, self.trained_layers)
            if self.answers:
                start = int(self.pretrained.config.get("decoder_start_token_id", self.pad_token))
                return Verbaliser(model, self.answers, start, self.pad_token)
            return MultitaskModel(self.encoder(model), self.width, self.outputs)

    def encoder(self, model: nn.Module) -> nn.Module:
        """What maps inputs (B, ...) to (B, width), around the pretrained model or the part of it above the cut."""
        if self.image:
            from gradtag_core.models.vision import ImageEncoder

            return ImageEncoder(model, self.is_cut)
        from gradtag_core.models.text_encoder import TextEncoder

        return TextEncoder(model, self.pad_token, self.is_cut)

    @property
    def pad_token(self) -> int:
        return int(self.pretrained.config.get("pad_token_id") or 0)

    def inputs_of(self, suite: TaskSuite) -> TransformerInputs:
        from gradtag_core.models.frozen import HiddenInputs, LowerPart, shared

        def make() -> TransformerInputs:
            raw = self._raw_inputs(suite)
            if not self.is_cut:
                return raw
            lower = LowerPart(load(self.pretrained, self.role), self.trained_layers, self._run_lower)
            return HiddenInputs(raw, lower, self.width, self.frozen_flops, suite.by_split)

        cut = self.trained_layers if self.is_cut else None
        return shared((suite.fingerprint, self.pretrained, self.role, self.max_tokens, cut), make)

    def pooled_inputs(self, suite: TaskSuite) -> ModelInputs:
        """The states of the model without adapters, pooled: (B, width)."""
        from gradtag_core.models.lora import encoder_and_decoder
        from gradtag_core.models.pooled import PooledInputs

        model = self.frozen()
        encoder = self.encoder(encoder_and_decoder(model)[0] if self.answers else model).eval()
        # About: with the adapters and a decoder, where there are some, which are not used.
        flops_of_one = self.forward_flops(0)
        return PooledInputs(self.inputs_of(suite), encoder, self.width, flops_of_one, suite.by_split)

    def _raw_inputs(self, suite: TaskSuite) -> TransformerInputs:
        if self.image:
            from gradtag_core.models.vision import PixelInputs

            return PixelInputs(suite.inputs, self.image, self.positions)
        from gradtag_core.models.text_inputs import TokenInputs

        return TokenInputs(suite.inputs, self.pretrained, self.max_tokens)

    def _run_lower(self, model: nn.Module, batch: Tensor) -> Any:
        if self.image:
            return model(pixel_values=batch)
        from gradtag_core.models.text_encoder import run_text

        return run_text(model, batch, self.pad_token)


def _suitable(config: RunConfig, suite: TaskSuite) -> Pretrained:
    if suite.modality not in ("text", "image"):
        raise InvalidInput(
            f"`model` must be one that reads `{suite.name}`: a transformer needs text or image data, these are "
            f"{suite.modality} data."
        )
    if suite.modality == "image" and config.pretrained is None:
        raise InvalidInput(
            "`pretrained` must name an image classifier for a transformer on images; found none. Give a folder or a "
            "name on the Hugging Face hub, or choose another `model`."
        )
    pretrained = locate(config.pretrained)
    others = IMAGE_ENCODERS if suite.modality == "text" else ENCODERS | ENCODER_DECODERS
    if pretrained.model_type in others:
        raise InvalidInput(
            f"`pretrained` must be a model that reads {suite.modality}s, as `{suite.name}` holds; "
            f"`{pretrained.name}` is of type `{pretrained.model_type}`."
        )
    return pretrained


def _patches(pretrained: Pretrained, image: ImageFormat) -> int:
    """Positions in the layers of a transformer that reads images: patches, and the tokens of a class before them."""
    edge = pretrained.config.get("patch_size", 16)
    first = 2 if pretrained.model_type == "deit" else 1
    return image.size[0] // edge * (image.size[1] // edge) + first


@lru_cache(maxsize=4)
def _frozen(pretrained: Pretrained, role: Role, n_top: int) -> nn.Module:
    from gradtag_core.models.frozen import upper_part
    from gradtag_core.models.lora import with_shared_weights
    from gradtag_core.models.vision import without_classifier

    model = load(pretrained, role)
    if role == "image":
        model = with_shared_weights(model)
        without_classifier(model)
    return upper_part(model, n_top) if n_top else model
