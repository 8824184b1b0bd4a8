"""Texts as the tokens that a pretrained model reads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer

from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.models.pretrained import VOCABULARIES, Pretrained
from gradtag_core.tasks.suite import TaskSuite
from gradtag_core.tasks.table_file import shown

if TYPE_CHECKING:
    from torch import Tensor

PADDING = -1  # no token has this number
COUNTED_TEXTS = 512
OFFSET_POSITIONS = (
    "roberta",
    "xlm-roberta",
    "camembert",
    "mpnet",
)  # these start after the padding token's position


@lru_cache(maxsize=4)
def tokenizer_of(pretrained: Pretrained, max_tokens: int) -> Tokenizer:
    """The model's tokenizer, which cuts texts to `max_tokens` or to what the model can read, and pads nothing."""
    try:
        tokenizer = _read(pretrained)
    except Exception as error:  # the library of tokenizers raises nothing more special
        raise InvalidInput(
            f"`pretrained` must come with a `tokenizer.json`; `{pretrained.name}` has none that can be read "
            f"({type(error).__name__}: {shown(str(error))})."
        ) from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(min(max_tokens, _positions(pretrained, max_tokens)))
    return tokenizer


def _read(pretrained: Pretrained) -> Tokenizer:
    if (path := pretrained.folder / "tokenizer.json").is_file():
        return Tokenizer.from_file(str(path))
    if not any((pretrained.folder / name).is_file() for name in VOCABULARIES):
        # The library would make up a tokenizer without words.
        raise FileNotFoundError(quoted(("tokenizer.json", *VOCABULARIES), 9))
    from transformers import AutoTokenizer

    found = AutoTokenizer.from_pretrained(pretrained.folder, trust_remote_code=False, local_files_only=True)
    return Tokenizer.from_str(found.backend_tokenizer.to_str())


def _positions(pretrained: Pretrained, unlimited: int) -> int:
    """How many tokens the model has positions for."""
    found = pretrained.config.get("max_position_embeddings")
    if not isinstance(found, int) or found < 1:
        return unlimited
    padding = pretrained.config.get("pad_token_id") or 1
    n_positions = (
        found - (padding + 1 if pretrained.model_type in OFFSET_POSITIONS else 0)
        if isinstance(padding, int)
        else 0
    )
    if n_positions < 1:
        raise InvalidInput(
            f"`pretrained`: `{pretrained.name}` must have positions for its texts; its settings leave none."
        )
    return n_positions


_MEAN_TOKENS: dict[tuple[str, str, int], int] = {}


def mean_tokens(suite: TaskSuite, pretrained: Pretrained, max_tokens: int) -> int:
    """How many tokens a text of the suite has on average, from the first texts in its order."""
    key = (suite.fingerprint, pretrained.fingerprint, max_tokens)
    if key not in _MEAN_TOKENS:
        texts = suite.inputs[suite.order[:COUNTED_TEXTS]].tolist()
        found = tokenizer_of(pretrained, max_tokens).encode_batch(texts)
        _MEAN_TOKENS[key] = max(1, round(float(np.mean([len(text.ids) for text in found]))))
    return _MEAN_TOKENS[key]


def answer_tokens(suite: TaskSuite, pretrained: Pretrained, max_tokens: int) -> tuple[tuple[int, ...], ...]:
    """The first token of each answer of each task; they must differ within a task."""
    tokenizer = tokenizer_of(pretrained, max_tokens)
    tokens = []
    for name, words in zip(suite.task_names, suite.choices or (), strict=True):
        own = [(tokenizer.encode(word, add_special_tokens=False).ids or [PADDING])[0] for word in words]
        if len(set(own)) < len(own) or PADDING in own:
            raise InvalidInput(
                f"Task `{name}` must have answers that differ in their first token, by which a model chooses; for "
                f"`{pretrained.name}` those of {quoted(words)} do not. Use other words, or a model that is an encoder."
            )
        tokens.append(tuple(own))
    return tuple(tokens)


class TokenInputs:
    """Texts of which a batch is numbers of tokens (B, L), int64, filled up with `PADDING`; tokenised when asked for."""

    flops = 0.0

    def __init__(self, texts: np.ndarray, pretrained: Pretrained, max_tokens: int):
        self._texts = texts
        self._tokenizer = tokenizer_of(pretrained, max_tokens)
        self._ids: list[Tensor | None] = [None] * len(texts)

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def nbytes(self) -> int:
        return self._texts.nbytes

    def __getitem__(self, examples: Tensor) -> Tensor:
        from torch.nn.utils.rnn import pad_sequence

        return pad_sequence(self._tokens(examples.tolist()), batch_first=True, padding_value=PADDING)

    def lengths(self, examples: Tensor) -> Tensor:
        """How many tokens each has: (B,)."""
        import torch

        return torch.tensor([len(ids) for ids in self._tokens(examples.tolist())])

    def _tokens(self, examples: Sequence[int]) -> list[Tensor]:
        import torch

        new = [example for example in dict.fromkeys(examples) if self._ids[example] is None]
        if new:
            # A text without any token is read as one padding token, so that there is something to average.
            for example, found in zip(
                new, self._tokenizer.encode_batch(self._texts[new].tolist()), strict=True
            ):
                self._ids[example] = torch.tensor(found.ids or [0])
        return [ids for example in examples if (ids := self._ids[example]) is not None]
