"""A table of numbers that grows, in memory or, when it is large, in a file."""

import mmap
import os
import tempfile

import torch
from jaxtyping import Float
from torch import Tensor

from gradtag_core.errors import GradTagError

MEMORY_BYTES = 3 * 2**29  # beyond that, a file


class GrowingTable:
    """float32 rows of one width, `values` (used rows first), appended some at a time.

    Beyond `memory_bytes` they lie in a temporary file without a name, which is gone once nothing reads it any more,
    however the process ends. Raises `GradTagError` where the disk is too full for it.
    """

    def __init__(self, width: int, memory_bytes: int = MEMORY_BYTES):
        self.values = torch.empty(0, width)
        self.used = 0
        self._memory_bytes = memory_bytes
        self._in_file = False

    @property
    def nbytes(self) -> int:
        """Of memory: pages of a file can be taken back."""
        return 0 if self._in_file else self.values.nbytes

    def append(self, rows: Float[Tensor, "rows width"]) -> int:
        """Where the first of these rows now stands."""
        start, stop = self.used, self.used + len(rows)
        if stop > len(self.values):
            self._grow(max(stop, 2 * len(self.values)))
        self.values[start:stop] = rows
        self.used = stop
        return start

    def _grow(self, n_rows: int) -> None:
        width = self.values.shape[1]
        self._in_file = 4 * n_rows * width > self._memory_bytes
        larger = _mapped(n_rows, width) if self._in_file else torch.empty(n_rows, width)
        larger[: self.used] = self.values[: self.used]
        self.values = larger


def _mapped(n_rows: int, width: int) -> Tensor:
    n_bytes = 4 * n_rows * width
    try:
        with tempfile.TemporaryFile() as file:
            os.posix_fallocate(file.fileno(), 0, n_bytes)  # a full disk must show here, not as a crash later
            mapping = mmap.mmap(file.fileno(), n_bytes)
    except OSError as error:
        raise GradTagError(
            f"{n_bytes:,} bytes of a transformer's frozen layers cannot be put into `{tempfile.gettempdir()}`: "
            f"{error.strerror}. Free space there, set TMPDIR, or lower `max_tokens`."
        ) from error
    return torch.frombuffer(mapping, dtype=torch.float32).view(n_rows, width)
