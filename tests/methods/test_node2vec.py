import numpy as np
import pytest
import torch

from gradtag_core.errors import InvalidInput
from gradtag_core.methods.node2vec import node2vec_embedding, run, skip_gram_loss


def cosines(vectors):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit @ unit.T


@pytest.mark.parametrize(("p", "q"), [(1, 1), (0.5, 2), (2, 0.5)])
def test_nodes_of_a_clique_are_nearer_than_nodes_of_two(clique_graph, p, q):
    vectors, flops = node2vec_embedding(clique_graph, 20, dim=16, p=p, q=q, walks=60)
    near = cosines(vectors)
    assert min(near[:10, :10].min(), near[10:, 10:].min()) > near[:10, 10:].max()
    assert flops > 0


def test_the_loss_is_a_sum_over_pairs_and_negatives():
    generator = torch.Generator().manual_seed(0)
    walks = torch.randn(2, 6, 3, generator=generator)
    negatives = torch.randn(4, 3, generator=generator)
    total, pairs = 0.0, 0
    for walk in walks:
        for here in range(6):
            for there in range(max(0, here - 2), min(6, here + 3)):
                if there != here:
                    pairs += 1
                    total += -torch.log(torch.sigmoid(walk[here] @ walk[there]))
                    total += -3 * torch.log(torch.sigmoid(-negatives @ walk[here])).mean()
    torch.testing.assert_close(skip_gram_loss(walks, negatives, 2, 3), total / pairs)


def test_nodes_without_edges_get_zeros_and_the_seed_draws(clique_graph):
    first, again, other = (
        node2vec_embedding(clique_graph, 22, dim=4, walks=2, seed=seed)[0] for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert not first[20:].any() and first[:20].all()
    empty, flops = node2vec_embedding(np.empty((0, 2), np.int64), 3, dim=4)
    assert not empty.any() and flops == 0


def test_flops_grow_with_walks_and_columns(clique_graph):
    _, flops = node2vec_embedding(clique_graph, 20, dim=4, walks=2)
    assert node2vec_embedding(clique_graph, 20, dim=8, walks=6)[1] == 6 * flops


def test_bad_arguments_are_named(clique_graph, cliques):
    with pytest.raises(InvalidInput, match="`dim` and `walks` must be 1 or more; found 0"):
        node2vec_embedding(clique_graph, 20, dim=0)
    with pytest.raises(InvalidInput, match="`q` must be"):
        run(cliques, q=100.0)
