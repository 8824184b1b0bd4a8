"""Sparse and dense matrices of a user: npz, npy and MATLAB files."""

import zipfile
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.tasks.array_file import read_npy, read_npz
from gradtag_core.tasks.mat_file import check_compressed, mat_variables
from gradtag_core.tasks.snap import UNREADABLE

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MatrixKind = Literal["npz", "npy", "mat"]
MAX_BYTES = 512 * 2**20
MAX_SIDE = 10_000_000  # rows or columns
CSR_PARTS = ("data", "indices", "indptr", "shape")
MAGIC: dict[bytes, MatrixKind] = {b"PK\x03\x04": "npz", b"\x93NUMPY": "npy", b"MATLAB": "mat"}
# What numpy and zipfile raise at damaged files: the header of an array is Python text.
BROKEN = (*UNREADABLE, IndexError, OverflowError, NotImplementedError, SyntaxError, TokenError)


def matrix_kind(path: Path) -> MatrixKind | None:
    """What kind of matrix file this is, by its first bytes; None for text and anything else."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except FileNotFoundError as error:
        raise InvalidInput(f"`{path}` must be a file; there is none.") from error
    except (OSError, ValueError) as error:
        raise InvalidInput(f"`{path}` must be a readable file; found that {error}.") from error
    return next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), None)


def read_matrix(
    path: Path | str, names: tuple[str, ...], *, named: bool = False, max_bytes: int = MAX_BYTES
) -> "csr_array":
    """A matrix of finite numbers, float64, from an npz, npy or MATLAB file (version 5 to 7); nothing is unpickled.

    In an npz file: the CSR parts `NAME.data`, `NAME.indices`, `NAME.indptr` and `NAME.shape`, as in the ego networks
    of Shchur and Günnemann (2019); what scipy.sparse.save_npz writes; a dense array `NAME`; or the only array. In a
    MATLAB file: the variable `NAME`, sparse or dense, or the only variable. `names`: what NAME may be, the first
    that is there; `named` refuses a matrix that bears none of them. More than `max_bytes` are refused before they
    are read.
    """
    path = Path(path)
    kind = matrix_kind(path)
    if kind is None:
        raise InvalidInput(f"`{path.name}` must be an npz, npy or MATLAB file; found another kind.")
    _check_bytes(path, path.stat().st_size, max_bytes)
    try:
        matrix = {"npz": _from_npz, "npy": _from_npy, "mat": _from_mat}[kind](path, names, named, max_bytes)
    except InvalidInput:
        raise
    except BROKEN as error:
        reason = str(error).split("\n")[0]
        raise InvalidInput(
            f"`{path.name}` must be a whole {kind} file of numbers; found that {reason}."
        ) from error
    wrong = np.flatnonzero(~np.isfinite(matrix.data))
    if len(wrong):
        row = int(np.searchsorted(matrix.indptr, wrong[0], side="right"))
        column = int(matrix.indices[wrong[0]]) + 1
        raise InvalidInput(
            f"`{path.name}`, row {row}, column {column}: a number must be finite; found {matrix.data[wrong[0]]}."
        )
    return matrix


def sides(matrix: "csr_array") -> tuple[int, int]:
    """The numbers of rows and columns."""
    return cast("tuple[int, int]", matrix.shape)


def _from_npy(path: Path, names: tuple[str, ...], named: bool, max_bytes: int) -> "csr_array":
    if named:
        _name_of(path, names, (), named)
    return _as_csr(path, read_npy(path))


def _from_npz(path: Path, names: tuple[str, ...], named: bool, max_bytes: int) -> "csr_array":
    from scipy.sparse import coo_array, csc_array, csr_array

    with zipfile.ZipFile(path) as archive:
        sizes = {info.filename.removesuffix(".npy"): info.file_size for info in archive.infolist()}
    sparse = next((name for name in names if all(f"{name}.{part}" in sizes for part in CSR_PARTS)), None)
    if sparse is not None:
        wanted = tuple(f"{sparse}.{part}" for part in CSR_PARTS)
    elif {"format", "shape", "data"} <= sizes.keys() and not named:
        wanted = tuple(
            name for name in ("format", "data", "shape", "indices", "indptr", "row", "col") if name in sizes
        )
    else:
        wanted = (_name_of(path, names, tuple(sizes), named),)
    _check_bytes(path, sum(sizes[name] for name in wanted), max_bytes)
    arrays = {name.rpartition(".")[2]: array for name, array in read_npz(path, wanted).items()}
    if len(wanted) == 1:
        return _as_csr(path, *arrays.values())
    written = str(arrays["format"].item(), "ascii") if arrays.get("format") is not None else "csr"
    if written not in ("csr", "csc", "coo"):
        raise InvalidInput(f"`{path.name}` must hold a csr, csc or coo matrix; found `{written[:8]}`.")
    n_rows, n_columns = (int(side) for side in arrays["shape"])
    _check_sides(path, n_rows, n_columns)
    if written == "coo":
        matrix = coo_array((arrays["data"], (arrays["row"], arrays["col"])), shape=(n_rows, n_columns))
        return _as_csr(path, matrix)
    parts = arrays["data"], arrays["indices"], arrays["indptr"]
    matrix = (csr_array if written == "csr" else csc_array)(parts, shape=(n_rows, n_columns))
    check_compressed(matrix)
    return _as_csr(path, matrix)


def _from_mat(path: Path, names: tuple[str, ...], named: bool, max_bytes: int) -> "csr_array":
    variables = {variable.name: variable for variable in mat_variables(path.read_bytes(), max_bytes)}
    chosen = variables[_name_of(path, names, tuple(variables), named)]
    _check_bytes(path, chosen.n_bytes, max_bytes)
    return _as_csr(path, chosen.read())


def _as_csr(path: Path, matrix: object) -> "csr_array":
    from scipy.sparse import csr_array

    kind, shape = getattr(matrix, "dtype", np.dtype(object)), getattr(matrix, "shape", ())
    if kind.kind not in "biuf" or len(shape) != 2:
        raise InvalidInput(f"`{path.name}` must hold a matrix of numbers; found {kind} of shape {shape}.")
    _check_sides(path, *shape)
    found = csr_array(matrix, dtype=np.float64)
    found.sum_duplicates()
    found.eliminate_zeros()
    return found


def _name_of(path: Path, names: tuple[str, ...], found: tuple[str, ...], named: bool) -> str:
    """The first of `names` that is there, or the only one if another name is fine."""
    name = next((name for name in names if name in found), None)
    if name is None and (named or len(found) != 1):
        raise InvalidInput(
            f"`{path.name}` must hold {' or '.join(f'`{name}`' for name in names)}; found "
            f"{quoted(found) if found else 'no names'}."
        )
    return name or found[0]


def _check_sides(path: Path, n_rows: int, n_columns: int) -> None:
    if not (1 <= n_rows <= MAX_SIDE and 1 <= n_columns <= MAX_SIDE):
        raise InvalidInput(
            f"`{path.name}` must hold a matrix of 1 to {MAX_SIDE:,} rows and columns; found {n_rows:,} × {n_columns:,}."
        )


def _check_bytes(path: Path, n_bytes: int, max_bytes: int) -> None:
    if n_bytes > max_bytes:
        raise InvalidInput(
            f"`{path.name}` must hold at most {max_bytes:,} bytes of numbers; found {n_bytes:,}. Give a part of them."
        )
