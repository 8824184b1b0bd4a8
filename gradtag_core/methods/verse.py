"""VERSE: vectors whose products follow personalised PageRank (Tsitsulin et al., WWW 2018)."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch.nn.functional import embedding, softplus

from gradtag_core.cost import measure
from gradtag_core.errors import InvalidInput
from gradtag_core.methods.linear_probe import fit_probe
from gradtag_core.methods.node_scores import graph_of
from gradtag_core.methods.protocol import MethodResult, Setting
from gradtag_core.methods.random_walks import Neighbours, first_vectors, last_nodes
from gradtag_core.progress import Reporter

DIM = 128
RESTART = 0.15  # α = 0.85
SAMPLES = 300  # pairs that start at each node
NEGATIVES = 3  # for each pair
BATCH = 8192  # pairs
SHARED = 128  # nodes that stand for the noise of a batch
LEARNING_RATE = 0.01


def verse_embedding(
    edges: Int[np.ndarray, "edges 2"],
    n_nodes: int,
    *,
    dim: int = DIM,
    samples: int = SAMPLES,
    seed: int = 0,
    device: torch.device | None = None,
    reporter: Reporter | None = None,
) -> tuple[Float[np.ndarray, "nodes dim"], float]:
    """Vectors by noise-contrastive estimation (algorithm 1), and the FLOPs.

    u is uniform, v is where a walk from u stops, and noise is uniform: w_u · w_v follows log(N π_uv / 3), as far as
    products of one set of vectors can.
    One vector per node; Adam on batches, each of which shares K noise nodes that weigh three per pair, in place of
    single steps. Nodes without edges are left out and get zeros. Counted FLOPs: 6(1 + K)d for each pair, its products
    with their gradients.
    """
    if dim < 1 or samples < 1:
        raise InvalidInput(f"`dim` and `samples` must be 1 or more; found {dim} and {samples}.")
    rng, reporter = np.random.default_rng(seed), reporter or Reporter()
    neighbours = Neighbours(edges, n_nodes)
    linked = np.flatnonzero(neighbours.degree)
    table = first_vectors(neighbours, dim, rng).to(device)
    if not len(linked):
        return table.cpu().numpy(), 0.0
    table.requires_grad_()
    optimiser = torch.optim.Adam([table], lr=LEARNING_RATE, fused=True)
    n_pairs = samples * len(linked)
    n_batches = -(-n_pairs // BATCH)
    for _ in reporter.track("Training VERSE", range(n_batches), n_batches):
        starts = rng.choice(linked, BATCH)
        stops = last_nodes(neighbours, starts, RESTART, rng)
        noise = rng.choice(linked, SHARED)
        optimiser.zero_grad(set_to_none=True)
        first, second, others = (
            embedding(torch.from_numpy(each).to(table.device), table) for each in (starts, stops, noise)
        )
        loss = softplus(-(first * second).sum(-1)) + NEGATIVES * softplus(first @ others.T).mean(-1)
        loss.mean().backward()
        optimiser.step()
    flops = 6.0 * n_batches * BATCH * (1 + SHARED) * dim
    return table.detach().cpu().numpy(), flops


def run(setting: Setting) -> MethodResult:
    """The vector of each node is what a logistic regression per task reads."""
    with measure() as meter:
        vectors, flops = verse_embedding(
            graph_of(setting), setting.suite.n_examples, seed=setting.seed, device=setting.device,
            reporter=setting.reporter,
        )  # fmt: skip
        meter.flops += flops
        found = fit_probe(setting, vectors, meter)
    return found.result(setting, "verse", meter.cost)
