"""Features from the words of names."""

import re
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from gradtag_core.errors import InvalidInput


def tokens(name: str) -> list[str]:
    """The words of a package name: runs of letters, with the prefix `lib` as a word of its own."""
    return re.findall(r"lib(?=[a-z])|[a-z]+", name.lower())


def hashed_tokens(names: Sequence[str], width: int) -> np.ndarray:
    """Words of names as `width` columns by signed feature hashing (Weinberger et al., ICML 2009).

    A word weighs the log of its inverse document frequency; rows have unit length (zero for a name without
    words). The hash is blake2b, the same in every process. Returns float64, (names, width).
    """
    if width < 1:
        raise InvalidInput(f"`width` must be 1 or more; found {width}.")
    words = [sorted(set(tokens(name))) for name in names]
    frequency = Counter(word for row in words for word in row)
    weight = {word: np.log(len(names) / count) for word, count in frequency.items()}
    place = {word: _column_and_sign(word, width) for word in frequency}
    features = np.zeros((len(names), width))
    for row, found in enumerate(words):
        for word in found:
            column, sign = place[word]
            features[row, column] += sign * weight[word]
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return np.divide(features, length, out=np.zeros_like(features), where=length > 0)


def _column_and_sign(word: str, width: int) -> tuple[int, int]:
    number = int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "little")
    return (number >> 1) % width, 1 if number & 1 else -1
