"""Inputs of nodes."""

import numpy as np
import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks import node_inputs as module
from gradtag_core.tasks.node_embedding import ppr_embedding, structural_svd
from gradtag_core.tasks.node_inputs import MadeFeatures, node_inputs
from gradtag_core.tasks.propagation import propagate
from gradtag_core.tasks.scaling import standardise

RING = np.stack([np.arange(8), (np.arange(8) + 1) % 8], axis=1)


def test_made_features_are_propagated_and_scaled() -> None:
    by_kind: dict[MadeFeatures, np.ndarray] = {
        "ppr": ppr_embedding(RING, 8, 4, seed=1), "svd": structural_svd(RING, 8, 4, seed=1),
    }  # fmt: skip
    for kind, made in by_kind.items():
        found = node_inputs(RING, 8, kind, hops=2, dim=4, seed=1)
        assert found.dtype == np.float32 and found.shape == (8, 3, 4)
        np.testing.assert_array_equal(found, standardise(propagate(made, RING, 2)))


def test_given_features_are_propagated_and_scaled() -> None:
    given = np.random.default_rng(0).normal(size=(8, 5))
    found = node_inputs(RING, 8, given, hops=1, dim=99)
    np.testing.assert_array_equal(found, standardise(propagate(given, RING, 1)))


def test_what_does_not_fit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match="`features` must be one of `ppr`, `svd`; found `node2vec`"):
        node_inputs(RING, 8, "node2vec", 1, 4)  # pyright: ignore[reportArgumentType]
    monkeypatch.setattr(module, "MAX_NUMBERS", 63)
    with pytest.raises(InvalidInput, match="at most 63 numbers; found 8 nodes × 2 hops × 4 features"):
        node_inputs(RING, 8, "svd", 1, 4)
