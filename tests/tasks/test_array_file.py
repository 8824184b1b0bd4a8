"""Arrays whose headers promise more than there is, objects, and what NumPy itself reads."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gradtag_core.tasks.array_file import read_npy, read_npz


@given(
    array=arrays.arrays(
        st.sampled_from(["f8", ">i4", "u1", "?", "S3", "U2"]), arrays.array_shapes(min_dims=0, min_side=0)
    )
)
def test_arrays_are_those_that_numpy_wrote(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray
) -> None:
    folder = tmp_path_factory.mktemp("arrays")
    np.save(folder / "a.npy", array)
    np.savez_compressed(folder / "a.npz", first=array, second=np.asfortranarray(array))
    found = {"alone": read_npy(folder / "a.npy"), **read_npz(folder / "a.npz")}
    assert list(found) == ["alone", "first", "second"]
    for one in found.values():
        assert one.dtype == array.dtype
        np.testing.assert_array_equal(one, array)
    assert list(read_npz(folder / "a.npz", ["second"])) == ["second"]


def header(shape: object, descr: object = "<f8") -> bytes:
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header((2**40,)) + bytes(64), "is promised, of 8,796,093,022,208 bytes, where there are 64"),
        (header((2**62, 2**62)) + bytes(64), "is promised"),
        (header((-1, -8)) + bytes(64), "is promised"),
        (header((3, 3), "<U268435456") + bytes(64), "is promised"),
        (header((9,)) + bytes(64), "of 72 bytes, where there are 64"),
        (header((7,)) + bytes(64), "of 56 bytes, where there are 64"),
        (header((1,), "|O") + bytes(8), "nothing is unpickled"),
        (header((1,), [("a", "|O")]) + bytes(8), "nothing is unpickled"),
        (header("x") + bytes(8), "the header of an array is damaged"),
        (b"\x93NUMPY\x01\x00\x10\x27" + b"-" * 9999 + b"1", "the header of an array is damaged"),
        (b"\x93NUMPY\x03\x00" + header((1,))[8:], r"version \(3, 0\)"),
        (b"\x93NUMPY", "EOF"),
    ],
)  # fmt: skip
def test_headers_are_not_believed(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", content)
    for read in (read_npy, read_npz):
        with pytest.raises(ValueError, match=message):
            read(tmp_path / f"a.{read.__name__[-3:]}")


def test_a_missing_array_is_a_key_error() -> None:
    file = io.BytesIO()
    np.savez(file, a=np.eye(2))
    with pytest.raises(KeyError, match="b"):
        read_npz(file, ["b"])
