"""Arrays of npy and npz files: headers are believed only if the file is as long as they say; nothing is unpickled."""

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np
from numpy.lib import format as npy

# The third version is for fields whose names are not Latin; no array here has fields.
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
# A header is Python text, and the parser of Python may run out of stack.
BROKEN_HEADER = (ValueError, TypeError, SyntaxError, TokenError, RecursionError, MemoryError, OverflowError)


def read_npy(path: Path) -> np.ndarray:
    """The array of an npy file; ValueError where it is damaged or holds objects."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        _check_header(stream, size)
        stream.seek(0)
        return npy.read_array(stream, allow_pickle=False)


def read_npz(file: Path | IO[bytes], names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """The named arrays of an npz file, or all; KeyError where one is missing, ValueError or what zipfile raises where
    one is damaged or holds objects. How much they unpack to is for the caller to look at first."""
    with zipfile.ZipFile(file) as archive:
        found = names or [name.removesuffix(".npy") for name in archive.namelist()]
        return {name: _member(archive, archive.getinfo(f"{name}.npy")) for name in found}


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(info) as stream:
        _check_header(stream, info.file_size)
    with archive.open(info) as stream:
        return npy.read_array(stream, allow_pickle=False)


def _check_header(stream: IO[bytes], n_bytes: int) -> None:
    """ValueError unless the numbers that a header promises fill the rest of a stream of `n_bytes`: NumPy allocates what
    it promises."""
    version = npy.read_magic(stream)
    if version not in HEADERS:
        raise ValueError(f"its format has the version {version}")
    try:
        shape, _, dtype = HEADERS[version](stream)
    except BROKEN_HEADER as error:
        raise ValueError("the header of an array is damaged") from error
    if dtype.hasobject:
        raise ValueError("an array holds objects, which are pickled; nothing is unpickled")
    promised, found = math.prod(shape) * dtype.itemsize, n_bytes - stream.tell()
    if min(shape, default=0) < 0 or promised != found:
        raise ValueError(
            f"an array of the shape {str(shape)[:80]} is promised, of {promised:,} bytes, where there are {found:,}"
        )
