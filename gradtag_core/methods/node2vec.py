"""node2vec: nodes that meet on biased random walks get similar vectors (Grover and Leskovec, KDD 2016)."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding, softplus

from gradtag_core.cost import measure
from gradtag_core.errors import InvalidInput
from gradtag_core.methods.linear_probe import fit_probe
from gradtag_core.methods.node_scores import graph_of
from gradtag_core.methods.protocol import MethodResult, Setting
from gradtag_core.methods.random_walks import Neighbours, biased_walks, first_vectors
from gradtag_core.progress import Reporter

DIM = 128
WALKS = 10  # from each node
LENGTH = 20
WINDOW = 5
BATCH = 256  # walks
NEGATIVES = 1  # for each pair
SHARED = 256  # nodes that stand for the negatives of a batch
LEARNING_RATE = 0.01


def node2vec_embedding(
    edges: Int[np.ndarray, "edges 2"],
    n_nodes: int,
    *,
    dim: int = DIM,
    p: float = 1.0,
    q: float = 1.0,
    walks: int = WALKS,
    seed: int = 0,
    device: torch.device | None = None,
    reporter: Reporter | None = None,
) -> tuple[Float[np.ndarray, "nodes dim"], float]:
    """Vectors by skip-gram with negative sampling, and the FLOPs.

    One vector per node, as in the paper's equation 1, and Adam in place of its stochastic gradient descent. The
    negatives of a batch are shared and drawn as degree^0.75; they weigh one per pair. Nodes without edges get zeros.
    Counted FLOPs of a batch of B walks of length L: 6BL²d for the products of nodes on a walk and 6BLKd for those
    with K negatives, each with its gradient.
    """
    if dim < 1 or walks < 1:
        raise InvalidInput(f"`dim` and `walks` must be 1 or more; found {dim} and {walks}.")
    rng, reporter = np.random.default_rng(seed), reporter or Reporter()
    neighbours = Neighbours(edges, n_nodes)
    linked = np.flatnonzero(neighbours.degree)
    table = first_vectors(neighbours, dim, rng).to(device)
    if not len(linked):
        return table.cpu().numpy(), 0.0
    table.requires_grad_()
    optimiser = torch.optim.Adam([table], lr=LEARNING_RATE, fused=True)
    share = neighbours.degree[linked] ** 0.75
    batches = [
        part
        for _ in range(walks)
        for part in np.array_split(rng.permutation(linked), -(-len(linked) // BATCH))
    ]
    for starts in reporter.track("Training node2vec", batches, len(batches)):
        nodes = biased_walks(neighbours, starts, LENGTH, p, q, rng)
        others = rng.choice(linked, SHARED, p=share / share.sum())
        optimiser.zero_grad(set_to_none=True)
        on_walk, drawn = (torch.from_numpy(each).to(table.device) for each in (nodes, others))
        skip_gram_loss(embedding(on_walk, table), embedding(drawn, table), WINDOW, NEGATIVES).backward()
        optimiser.step()
    n_walks = walks * len(linked)
    flops = 6.0 * n_walks * dim * (LENGTH**2 + LENGTH * SHARED)
    return table.detach().cpu().numpy(), flops


def skip_gram_loss(
    walks: Float[Tensor, "walks length dim"],
    negatives: Float[Tensor, "drawn dim"],
    window: int,
    n_negatives: int,
) -> Float[Tensor, ""]:
    """The mean over pairs at most `window` steps apart, in both orders, of softplus(-x·y) and of `n_negatives` times
    the mean softplus(x·z) over the negatives z."""
    place = torch.arange(walks.shape[1], device=walks.device)
    near = ((place[:, None] - place).abs() <= window) & (place[:, None] != place)
    per_place = near.sum(1)
    positive = softplus(-(walks @ walks.transpose(1, 2))[:, near]).sum()
    negative = softplus(walks @ negatives.T).mean(-1) @ per_place.to(walks.dtype)
    return (positive + n_negatives * negative.sum()) / (len(walks) * per_place.sum())


def run(setting: Setting, p: float = 1.0, q: float = 1.0) -> MethodResult:
    """The vector of each node is what a logistic regression per task reads."""
    with measure() as meter:
        vectors, flops = node2vec_embedding(
            graph_of(setting), setting.suite.n_examples, p=p, q=q, seed=setting.seed, device=setting.device,
            reporter=setting.reporter,
        )  # fmt: skip
        meter.flops += flops
        found = fit_probe(setting, vectors, meter)
    return found.result(setting, "node2vec", meter.cost)
