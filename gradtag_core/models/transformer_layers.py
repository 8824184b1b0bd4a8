"""The layers of a transformer, from the settings of a pretrained model: what a pass through it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gradtag_core.models.architecture import Layer
from gradtag_core.models.pretrained import Pretrained

ENCODERS = frozenset({"bert", "roberta", "xlm-roberta", "camembert", "electra", "mpnet", "distilbert"})
ENCODER_DECODERS = frozenset({"t5", "mt5"})
IMAGE_ENCODERS = frozenset({"vit", "deit"})


@dataclass(frozen=True)
class TransformerShape:
    """Sizes of a transformer whose layers are self-attention and two maps between `width` and `inner_width`.

    `attention_width`: all heads together. `gated`: one map more. `n_decoder_layers` (0: no decoder) read the encoder's
    states too.
    """

    width: int
    n_layers: int
    inner_width: int
    attention_width: int
    gated: bool = False
    n_decoder_layers: int = 0
    vocabulary: int = 0

    @classmethod
    def of(cls, pretrained: Pretrained) -> TransformerShape | None:
        """From a `config.json`; None for model types whose settings say other things or nothing of this."""
        config, kind = pretrained.config, pretrained.model_type
        try:
            if kind in ENCODER_DECODERS:
                return cls(
                    config["d_model"], config["num_layers"], config["d_ff"], config["num_heads"] * config["d_kv"],
                    "gated" in config.get("feed_forward_proj", ""),
                    config.get("num_decoder_layers") or config["num_layers"], config["vocab_size"],
                )  # fmt: skip
            if kind in ENCODERS | IMAGE_ENCODERS:
                width, n_layers, inner = (_first(config, *names) for names in _NAMES)
                return cls(width, n_layers, inner, width)
        except KeyError:
            return None  # a default that is not written down
        return None


_NAMES = (
    ("hidden_size", "dim"),
    ("num_hidden_layers", "n_layers"),
    ("intermediate_size", "hidden_dim"),
)


def _first(config: dict[str, Any], *names: str) -> int:
    return next((int(config[name]) for name in names if name in config), 0) or int(config[names[0]])


@dataclass(frozen=True)
class Stack:
    """A pass through an encoder and, where there is one, a single step of its decoder, at `positions`.

    Adapters of `rank`, at queries and values, are in the last `n_adapted` layers of both (all where there are fewer).
    """

    shape: TransformerShape
    positions: int
    rank: int
    n_adapted: int

    @property
    def _adapted(self) -> int:
        return min(self.n_adapted, self.shape.n_layers)

    def frozen(self) -> list[Layer]:
        """The encoder's layers below the adapters, which no gradient passes."""
        width = self.shape.attention_width
        one = self._attention(self.positions, self.positions, False, False, False, False)
        one += self._feed_forward(self.positions, False)
        one.append(Layer(self.positions, 2 * width, self.positions, is_first=True, trained=False))
        return one * (self.shape.n_layers - self._adapted)

    def adapted(self) -> list[Layer]:
        """The encoder's layers with adapters; the first reads what no gradient is carried to."""
        found: list[Layer] = []
        for layer in range(self._adapted):
            carries = layer > 0
            found += self._attention(self.positions, self.positions, True, carries, carries)
            found += self._feed_forward(self.positions)
        # The first one's keys have no gradient, so that its scores are but a map of the queries.
        return [*found, Layer(self.positions, self.shape.attention_width, self.positions, trained=False)]

    def decoder(self) -> list[Layer]:
        """One step. Gradients come down through all layers, since all read the encoder's states."""
        found: list[Layer] = []
        for layer in range(self.shape.n_decoder_layers):
            adapted, carries = layer >= self.shape.n_decoder_layers - self.n_adapted, layer > 0
            found += self._attention(1, 1, adapted, carries, carries, carries or adapted)
            found += self._attention(1, self.positions, adapted, carries or adapted, True)
            found += self._feed_forward(1)
        return [*found, Layer(self.shape.width, self.shape.vocabulary, trained=False)] if found else []

    def mixing_flops(self) -> float:
        """Of the products in attention that have gradients on both sides."""
        encoder = (2 * self._adapted - 1) * self.positions**2
        decoder = 2 * self.shape.n_decoder_layers * (1 + self.positions)
        return 2.0 * (encoder + decoder) * self.shape.attention_width

    def _attention(
        self, queries: int, keys: int, adapted: bool, queries_carry: bool, keys_carry: bool,
        outputs_carry: bool = True,
    ) -> list[Layer]:  # fmt: skip
        """Its maps. `..._carry`: a gradient is carried to what they read."""
        width, inner = self.shape.width, self.shape.attention_width
        found = [
            Layer(inner, width, queries, not outputs_carry, False),
            Layer(width, inner, keys, not keys_carry, False),
        ]
        for positions, carries in ((queries, queries_carry), (keys, keys_carry)):
            found.append(Layer(width, inner, positions, not carries, False))
            if adapted:
                found += [Layer(width, self.rank, positions, not carries), Layer(self.rank, inner, positions)]
        return found

    def _feed_forward(self, positions: int, carries: bool = True) -> list[Layer]:
        width, inner = self.shape.width, self.shape.inner_width
        wide = Layer(width, inner, positions, not carries, False)
        return [*[wide] * (1 + self.shape.gated), Layer(inner, width, positions, not carries, False)]
