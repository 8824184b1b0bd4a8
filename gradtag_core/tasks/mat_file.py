"""MATLAB files, version 5 to 7 (MathWorks, "MAT-File Format", level 5), as far as matrices of numbers go.

Written here because `scipy.io.loadmat` ends the whole process with a segmentation fault on some damaged files.
"""

import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csc_array, csr_array

HEADER_BYTES = 128
HEAD_BYTES = 4096  # of a compressed variable: enough to learn its name, class and shape
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
INT32, UINT32, MATRIX, COMPRESSED = 5, 6, 14, 15
WHOLE = (1, 2, 3, 4, INT32, UINT32)
SPARSE, FIRST_DENSE, LAST_DENSE = 5, 6, 15
CLASSES = {1: "cell", 2: "struct", 3: "object", 4: "char", 16: "function", 17: "opaque"}
COMPLEX = 0x800


@dataclass(frozen=True)
class MatVariable:
    """A variable by its header; `read` gives its numbers, dense or sparse, and raises ValueError if it holds none.

    `n_bytes` is what that takes: of dense numbers by their shape, of a sparse matrix by its number of entries.
    """

    name: str
    shape: tuple[int, ...]
    n_bytes: int
    read: Callable[[], "np.ndarray | csc_array"]


@dataclass(frozen=True)
class _Content:
    data: memoryview
    order: str

    def element(self, at: int, cut: bool = False) -> tuple[int, memoryview, int]:
        """The kind and the bytes of the element at `at`, and where it ends; `cut`: its end may be missing."""
        if at + 8 > len(self.data):
            raise ValueError("it ends too early")
        kind, n_bytes = (int(word) for word in np.frombuffer(self.data[at : at + 8], f"{self.order}u4"))
        start = at + 8
        if kind >> 16:  # a small element: kind and size share the first word
            kind, n_bytes, start, end = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        else:
            end = start + n_bytes + (-n_bytes % 8 if kind != COMPRESSED else 0)
        if not cut and start + n_bytes > len(self.data):
            raise ValueError("it ends too early")
        return kind, self.data[start : start + n_bytes], end

    def numbers(self, at: int, *kinds: int) -> tuple[np.ndarray, int]:
        """The numbers of an element, of one of these kinds if any are named, and where it ends."""
        kind, data, end = self.element(at)
        if kind not in (kinds or NUMBERS):
            raise ValueError(f"an element of kind {kind} stands where numbers are due")
        return np.frombuffer(data, self.order + NUMBERS[kind]), end


def mat_variables(content: bytes, max_bytes: int) -> Iterator[MatVariable]:
    """The named variables of a file; nothing is read of them, or unpacked, before `read` is called.

    ValueError or zlib.error: the file is damaged; a variable that unpacks to more than `max_bytes` counts as such.
    """
    if content.startswith(b"MATLAB 7.3"):
        raise ValueError("it is of version 7.3: save it with -v7")
    order = {b"IM": "<", b"MI": ">"}.get(content[126:HEADER_BYTES])
    if order is None:
        raise ValueError("its header is damaged")
    file, at = _Content(memoryview(content), order), HEADER_BYTES
    while at < len(content):
        kind, data, at = file.element(at)
        packed = data if kind == COMPRESSED else None
        if packed is not None:
            head = _Content(memoryview(zlib.decompressobj().decompress(packed, HEAD_BYTES)), order)
            kind, data, _ = head.element(0, cut=True)
        if kind != MATRIX:
            raise ValueError(f"an element of kind {kind} stands where a variable is due")
        variable = _variable(_Content(data, order), packed, max_bytes)
        if variable.name:  # MATLAB's own data has no name
            yield variable


def _variable(matrix: _Content, packed: memoryview | None, max_bytes: int) -> MatVariable:
    flags, at = matrix.numbers(0, UINT32)
    sides, at = matrix.numbers(at, INT32)
    _, name, at = matrix.element(at)
    if len(flags) != 2 or len(sides) < 2 or sides.min() < 0:
        raise ValueError("the header of a variable is damaged")
    shape, of_class = tuple(int(side) for side in sides), int(flags[0]) & 0xFF
    sparse = of_class == SPARSE
    n_bytes = 16 * int(flags[1]) if sparse else 8 * math.prod(shape)

    def read() -> "np.ndarray | csc_array":
        if of_class != SPARSE and not FIRST_DENSE <= of_class <= LAST_DENSE:
            raise ValueError(
                f"`{bytes(name).decode('latin-1')}` is a {CLASSES.get(of_class, 'strange')} variable"
            )
        if int(flags[0]) & COMPLEX:
            raise ValueError("its numbers are complex")
        if len(shape) != 2:
            raise ValueError(f"its shape is {shape}")
        whole = matrix if packed is None else _unpacked(packed, matrix.order, max_bytes)
        return _sparse(whole, at, shape) if sparse else _dense(whole, at, shape)

    return MatVariable(bytes(name).decode("latin-1"), shape, n_bytes, read)


def _unpacked(packed: memoryview, order: str, max_bytes: int) -> _Content:
    data = zlib.decompressobj().decompress(packed, max_bytes + HEAD_BYTES)
    return _Content(_Content(memoryview(data), order).element(0)[1], order)


def _dense(matrix: _Content, at: int, shape: tuple[int, ...]) -> np.ndarray:
    numbers, _ = matrix.numbers(at)
    return numbers.astype(np.float64).reshape(shape, order="F")


def _sparse(matrix: _Content, at: int, shape: tuple[int, ...]) -> "csc_array":
    from scipy.sparse import csc_array

    rows, at = matrix.numbers(at, *WHOLE)
    starts, at = matrix.numbers(at, *WHOLE)
    numbers, _ = matrix.numbers(at)
    if len(starts) != shape[1] + 1 or not 0 <= starts[-1] <= min(len(rows), len(numbers)):
        raise ValueError("its columns do not fit its entries")
    used = slice(int(starts[-1]))
    parts = numbers[used].astype(np.float64), rows[used].astype(np.int32), starts.astype(np.int32)
    found = csc_array(parts, shape=shape)
    check_compressed(found)
    return found


def check_compressed(matrix: "csc_array | csr_array") -> None:
    """ValueError unless every index is in its range: SciPy's conversions read beyond their arrays otherwise."""
    matrix.check_format(full_check=True)
    if (np.diff(matrix.indptr) < 0).any():  # SciPy skips this where there are no entries
        raise ValueError("the starts of its rows or columns must not fall")
