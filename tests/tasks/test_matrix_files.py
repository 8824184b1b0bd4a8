"""Matrices from npz, npy and MATLAB files, in each of their layouts."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.io import savemat
from scipy.sparse import bsr_array, coo_array, csc_array, csr_array, save_npz

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.matrix_files import matrix_kind, read_matrix, sides

NAMES = ("adj_matrix", "network")
DENSE = np.array([[0.0, 1.0, 0.0], [2.0, 0.0, 0.5]])


def csr_parts(name: str, dense: np.ndarray) -> dict[str, np.ndarray]:
    matrix = csr_array(dense)
    parts = {
        "data": matrix.data,
        "indices": matrix.indices,
        "indptr": matrix.indptr,
        "shape": np.array(dense.shape),
    }
    return {f"{name}.{part}": array for part, array in parts.items()}


LAYOUTS: dict[str, Callable[[Path, np.ndarray], object]] = {
    "parts.npz": lambda path, dense: np.savez(path, **csr_parts("adj_matrix", dense), type=np.array("SparseGraph")),  # type: ignore[arg-type]
    "object-beside.npz": lambda path, dense: np.savez(path, **csr_parts("network", dense), metadata=np.array(None)),  # type: ignore[arg-type]
    "csr.npz": lambda path, dense: save_npz(path, csr_array(dense)),
    "csc.npz": lambda path, dense: save_npz(path, csc_array(dense)),
    "coo.npz": lambda path, dense: save_npz(path, coo_array(dense)),
    "named.npz": lambda path, dense: np.savez(path, network=dense, other=np.zeros(2)),
    "only.npz": lambda path, dense: np.savez_compressed(path, dense),
    "dense.npy": lambda path, dense: np.save(path, dense),
    "sparse.mat": lambda path, dense: savemat(path, {"network": csc_array(dense), "group": np.eye(2)}),
    "dense.mat": lambda path, dense: savemat(path, {"network": dense}, do_compression=True),
    "only.mat": lambda path, dense: savemat(path, {"mine": dense}),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_the_same_matrix(tmp_path: Path, layout: str) -> None:
    LAYOUTS[layout](tmp_path / layout, DENSE)
    matrix = read_matrix(tmp_path / layout, NAMES)
    assert matrix.dtype == np.float64 and sides(matrix) == (2, 3) and matrix.nnz == 3
    np.testing.assert_array_equal(matrix.toarray(), DENSE)
    assert matrix_kind(tmp_path / layout) == layout.split(".")[1]


@given(
    dense=arrays.arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.integers(-1, 1)),
    layout=st.sampled_from(sorted(LAYOUTS)),
)  # fmt: skip
def test_any_matrix_comes_back(
    tmp_path_factory: pytest.TempPathFactory, dense: np.ndarray, layout: str
) -> None:
    path = tmp_path_factory.mktemp("matrix") / layout
    LAYOUTS[layout](path, dense)
    np.testing.assert_array_equal(read_matrix(path, NAMES).toarray(), dense)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_matrix_of_another_name_is_refused_where_the_name_counts(tmp_path: Path, layout: str) -> None:
    LAYOUTS[layout](tmp_path / layout, DENSE)
    if layout in ("parts.npz", "object-beside.npz", "named.npz", "sparse.mat", "dense.mat"):
        np.testing.assert_array_equal(read_matrix(tmp_path / layout, NAMES, named=True).toarray(), DENSE)
        return
    with pytest.raises(InvalidInput, match="must hold `adj_matrix` or `network`; found"):
        read_matrix(tmp_path / layout, NAMES, named=True)


def with_parts(**changes: np.ndarray) -> dict[str, np.ndarray]:
    return csr_parts("network", DENSE) | {f"network.{part}": array for part, array in changes.items()}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": DENSE, "b": DENSE}, "must hold `adj_matrix` or `network`; found `a`, `b`"),
        ({"network": np.array([[1, None]])}, "must be a whole npz file of numbers; found that an array holds objects"),
        ({"network": np.array(["x"])}, "must hold a matrix of numbers; found <U1"),
        ({"network": np.zeros(3)}, r"must hold a matrix of numbers; found float64 of shape \(3,\)"),
        ({"network": DENSE * 1j}, "must hold a matrix of numbers; found complex128"),
        ({"network": np.array([[1, 2], [0, np.nan]])}, "row 2, column 2: a number must be finite; found nan"),
        ({"network": np.zeros((0, 3))}, "a matrix of 1 to 10,000,000 rows and columns; found 0 × 3"),
        (with_parts(shape=np.array([2, 2])), "found that"),
        (with_parts(shape=np.array([10**9, 3])), "rows and columns; found 1,000,000,000 × 3"),
        (with_parts(indices=np.array([0, 0, -1])), "found that"),
        (with_parts(indptr=np.array([0, 9, 3])), "found that"),
        (with_parts(indptr=np.array([0, 9, 0])), "found that the starts of its rows or columns must not fall"),
        (with_parts(data=np.array([1, None, "x"], dtype=object)), "an array holds objects, which are pickled"),
    ],
)  # fmt: skip
def test_a_broken_npz_file_is_one_sentence(tmp_path: Path, content: dict, message: str) -> None:
    path = tmp_path / "m.npz"
    np.savez(path, **content)
    with pytest.raises(InvalidInput, match=message) as raised:
        read_matrix(path, NAMES)
    assert "\n" not in str(raised.value) and "`m.npz`" in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"network": {"field": 1}},
            "found that `network` is a struct variable",
        ),
        ({"network": np.array([[1, "x"]], dtype=object)}, "found that `network` is a cell variable"),
        ({"network": "text"}, "found that `network` is a char variable"),
        ({"network": np.zeros((2, 2, 2))}, r"found that its shape is \(2, 2, 2\)"),
        ({"network": DENSE * 1j}, "found that its numbers are complex"),
        ({"network": np.array([[1, np.inf]])}, "row 1, column 2: a number must be finite; found inf"),
        ({"a": DENSE, "b": DENSE}, "must hold `adj_matrix` or `network`; found `a`, `b`"),
        ({}, "found no names"),
    ],
)
def test_a_broken_matlab_file_is_one_sentence(tmp_path: Path, content: dict, message: str) -> None:
    savemat(tmp_path / "m.mat", content)
    with pytest.raises(InvalidInput, match=message):
        read_matrix(tmp_path / "m.mat", NAMES)


def test_other_formats_are_refused(tmp_path: Path) -> None:
    save_npz(tmp_path / "bsr.npz", bsr_array(np.eye(2)))
    with pytest.raises(InvalidInput, match="must hold a csr, csc or coo matrix; found `bsr`"):
        read_matrix(tmp_path / "bsr.npz", NAMES)
    (tmp_path / "new.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    with pytest.raises(InvalidInput, match=r"must be a whole mat file .* version 7\.3: save it with -v7"):
        read_matrix(tmp_path / "new.mat", NAMES)
    (tmp_path / "edges.txt").write_text("1 2\n")
    assert matrix_kind(tmp_path / "edges.txt") is None
    with pytest.raises(InvalidInput, match="must be an npz, npy or MATLAB file"):
        read_matrix(tmp_path / "edges.txt", NAMES)
    for name, message in (("none.npz", "there is none"), ("", "readable file"), ("a\0", "readable file")):
        with pytest.raises(InvalidInput, match=message):
            read_matrix(tmp_path / name, NAMES)


def test_what_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", np.zeros((1000, 1000)))
    savemat(tmp_path / "bomb.mat", {"network": np.zeros((1000, 1000))}, do_compression=True)
    for name in ("bomb.npz", "bomb.mat"):
        assert (tmp_path / name).stat().st_size < 50_000
        with pytest.raises(InvalidInput, match="at most 100,000 bytes of numbers; found 8,000"):
            read_matrix(tmp_path / name, NAMES, max_bytes=100_000)
    with pytest.raises(InvalidInput, match="at most 10 bytes"):
        read_matrix(tmp_path / "bomb.npz", NAMES, max_bytes=10)


def test_a_header_that_promises_more_than_there_is_is_refused(tmp_path: Path) -> None:
    text = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        text, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)}
    )
    with zipfile.ZipFile(tmp_path / "m.npz", "w") as archive:
        archive.writestr("network.npy", text.getvalue())
    with pytest.raises(InvalidInput, match="must be a whole npz file"):
        read_matrix(tmp_path / "m.npz", NAMES)
    (tmp_path / "m.npy").write_bytes(text.getvalue())
    with pytest.raises(InvalidInput, match="must be a whole npy file"):
        read_matrix(tmp_path / "m.npy", NAMES)


# NumPy warns of old names of types in a damaged header.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@given(layout=st.sampled_from(sorted(LAYOUTS)), place=st.integers(8, 3000), byte=st.integers(0, 255),
       end=st.none() | st.integers(8, 3000))  # fmt: skip
def test_no_damage_crashes_the_reader(
    tmp_path_factory: pytest.TempPathFactory, layout: str, place: int, byte: int, end: int | None
) -> None:
    path = tmp_path_factory.mktemp("matrix") / layout
    LAYOUTS[layout](path, DENSE)
    content = bytearray(path.read_bytes()[:end])
    content[place % len(content)] = byte
    path.write_bytes(bytes(content))
    try:
        read_matrix(path, NAMES)
    except InvalidInput as error:
        assert "\n" not in str(error)
