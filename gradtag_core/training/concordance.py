"""The concordance index: how often predictions order two rows as their targets do (Harrell 1982)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def concordance_index(
    predictions: Float[Tensor, "rows columns"], targets: Float[Tensor, "rows"]
) -> Float[Tensor, "columns"]:
    """Of the pairs of rows with different targets, the share that a column orders as they do; equal predictions count
    half. Equals the AUC where targets are 0 and 1; NaN where all are equal. O(n log n) per column.
    """
    ranks = _ranks(predictions)
    # Rows of one target stand in falling order, so that none of their pairs counts as ordered.
    falling = _ranks(targets[:, None]) * (len(targets) + 1) - ranks
    ranked = ranks.gather(0, falling.argsort(dim=0))
    ordered = _rising_pairs(ranked)
    tied = _tied_pairs(ranks) - _tied_pairs(falling)
    n_rows = len(targets)
    comparable = n_rows * (n_rows - 1) // 2 - _tied_pairs(targets[:, None])
    return ((2 * ordered + tied).double() / (2 * comparable)).to(predictions.dtype)


def _ranks(values: Tensor) -> Int[Tensor, "rows columns"]:
    """The place of each value among the different ones of its column."""
    ranked, order = values.sort(dim=0)
    steps = torch.zeros_like(order)
    steps[1:] = (ranked[1:] != ranked[:-1]).cumsum(0)
    return torch.empty_like(order).scatter_(0, order, steps)


def _tied_pairs(values: Tensor) -> Int[Tensor, "columns"]:
    """How many pairs of rows of each column are equal: each row with the equal ones before it."""
    ranked = values.sort(dim=0).values
    place = torch.arange(len(ranked), device=ranked.device)[:, None].expand_as(ranked)
    starts = torch.zeros_like(place)
    starts[1:] = torch.where(ranked[1:] != ranked[:-1], place[1:], 0)
    return (place - starts.cummax(0).values).sum(0)


def _rising_pairs(ranked: Int[Tensor, "rows columns"]) -> Int[Tensor, "columns"]:
    """How many pairs (i, j) with i before j and a smaller value there each column has.

    Bit by bit from the highest: rows that agree in all higher bits stand together in their first order, and a pair is
    decided by the bit where it parts, a zero before a one. The zeros then go before the ones, without a sort.
    """
    total = torch.zeros_like(ranked[0])
    place = torch.arange(len(ranked), device=ranked.device)[:, None].expand_as(ranked)
    start = torch.zeros_like(ranked)  # of the group of each row
    for bit in reversed(range(int(ranked.max()).bit_length())):
        is_one = (ranked >> bit) & 1
        ones = is_one.cumsum(0) - is_one  # before each row
        ones -= ones.gather(0, start)  # of its own group
        zeros = place - start - ones
        total += (zeros * is_one).sum(0)
        n_zeros = torch.zeros_like(ranked).scatter_add_(0, start, 1 - is_one).gather(0, start)
        target = torch.where(is_one == 1, start + n_zeros + ones, start + zeros)
        ranked = torch.empty_like(ranked).scatter_(0, target, ranked)
        start = torch.empty_like(ranked).scatter_(0, target, start + n_zeros * is_one)
    return total
