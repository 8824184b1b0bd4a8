"""Keeping the gradients room within a memory budget."""

import mmap
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from gradtag_core.errors import GradTagError, InvalidInput
from gradtag_core.gradients.block_projection import BLOCK_BYTES
from gradtag_core.gradients.pieces import Pieces

RUNTIME_BYTES = 384 * 2**20  # Python, torch and what they allocate before any data
BATCH_BYTES = 512 * 2**20  # more makes nothing faster
SHARES = 4  # a quarter each for features, batches, blocks of the projection, and what is in passing
COPIED_ROWS = 2**14  # at a time
PIECES_IN_PASSING = 4  # a pass holds activations and their gradients beside the pieces taken from them


@dataclass(frozen=True)
class MemoryPlan:
    """What batches and blocks of the projection may take; features larger than `feature_bytes` (None: any) lie in a
    file."""

    batch_bytes: int = BATCH_BYTES
    block_bytes: int = BLOCK_BYTES
    feature_bytes: int | None = None

    @classmethod
    def of(cls, budget: int | None, held_bytes: int, least_block: int) -> "MemoryPlan":
        """Share out a budget for the whole process, of which `held_bytes` are taken by data and model.

        Raises `InvalidInput` when a share is smaller than `least_block`, the least batch with the least block of P.
        """
        if budget is None:
            return cls()
        share = share_of(budget, held_bytes)
        if share < least_block:
            least = RUNTIME_BYTES + held_bytes + SHARES * least_block
            raise InvalidInput(
                f"`memory` must be at least {least:,} bytes for these data, this model and one block of gradients; "
                f"found {budget:,}. Raise it, or lower `proj_dim` or `width`."
            )
        return cls(min(BATCH_BYTES, share), min(BLOCK_BYTES, share), share)


def pass_bytes(pieces: Sequence[Pieces]) -> int:
    """What a forward and backward pass holds per row, from the pieces of some rows."""
    tensors = [part for layer in pieces for part in vars(layer).values() if isinstance(part, Tensor)]
    return PIECES_IN_PASSING * sum(part.nbytes for part in tensors) // max(1, len(pieces[0]))


@runtime_checkable
class Sized(Protocol):
    """What knows how much memory it takes."""

    @property
    def nbytes(self) -> int: ...


def share_of(budget: int, held_bytes: int) -> int:
    """A quarter of what a budget for the whole process leaves beside what is held anyway."""
    return (budget - RUNTIME_BYTES - held_bytes) // SHARES


def held_bytes(arrays: Iterable[Sized]) -> int:
    """What these take; arrays that are mapped from a file can be taken back, and count for nothing."""
    return sum(array.nbytes for array in arrays if not isinstance(array, np.memmap))


class Table:
    """A matrix, `values`, that is written some rows at a time, in memory or in a file without a name.

    The file lies in `folder` (None: where temporary files go) and is gone once nothing reads the matrix any more,
    however the process ends. Its pages count as the process's memory while they are in use, but can be taken back.
    """

    def __init__(
        self, shape: tuple[int, int], in_file: bool, folder: Path | None, dtype: torch.dtype = torch.float32
    ):
        self._mapping: mmap.mmap | None = None
        if not in_file:
            self.values = torch.empty(shape, dtype=dtype)
            return
        n_bytes = dtype.itemsize * shape[0] * shape[1]
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                os.posix_fallocate(
                    file.fileno(), 0, n_bytes
                )  # a full disk must show here, not as a crash later
                self._mapping = mmap.mmap(file.fileno(), n_bytes)
        except OSError as error:
            raise GradTagError(
                f"{n_bytes:,} bytes of features cannot be put into `{folder or tempfile.gettempdir()}`: "
                f"{error.strerror}. Raise `memory`, or free space there."
            ) from error
        self.values = torch.frombuffer(self._mapping, dtype=dtype).view(shape)

    def write(self, rows: Tensor | slice, values: Tensor) -> None:
        """Set some rows; where there is a file, they do not stay in memory."""
        self.values[rows] = values
        self.let_go()

    def let_go(self) -> None:
        """Where there is a file, what was written or read does not stay in memory."""
        if self._mapping:
            self._mapping.madvise(mmap.MADV_DONTNEED)  # of a file: what was written stays written


@dataclass(frozen=True)
class Storage:
    """Where a matrix goes: in memory, or beyond `limit` bytes (None: any) into a file in `folder`."""

    limit: int | None = None
    folder: Path | None = None

    def table(self, shape: tuple[int, int], dtype: torch.dtype = torch.float32) -> Table:
        n_bytes = dtype.itemsize * shape[0] * shape[1]
        return Table(shape, self.limit is not None and n_bytes > max(0, self.limit), self.folder, dtype)

    def copy(self, values: Tensor, dtype: torch.dtype) -> Tensor:
        """A matrix in another number format, a few rows at a time."""
        table = self.table((len(values), values.shape[1]), dtype)
        for start in range(0, len(values), COPIED_ROWS):
            part = slice(start, start + COPIED_ROWS)
            table.write(part, values[part].to(dtype))
        return table.values
