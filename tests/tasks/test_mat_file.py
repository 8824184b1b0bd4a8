"""MATLAB files, against what SciPy writes."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.io import savemat
from scipy.sparse import csc_array, issparse

from gradtag_core.tasks.mat_file import mat_variables

KINDS = ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "?"]


def written(variables: dict, compressed: bool) -> bytes:
    file = io.BytesIO()
    savemat(file, variables, do_compression=compressed)
    return file.getvalue()


@given(
    dense=st.sampled_from(KINDS).flatmap(
        lambda kind: arrays.arrays(kind, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(0, 1))
    ),
    sparse=st.booleans(),
    compressed=st.booleans(),
)  # fmt: skip
def test_every_kind_of_number_comes_back(dense: np.ndarray, sparse: bool, compressed: bool) -> None:
    matrix = csc_array(dense.astype(np.float64)) if sparse else dense
    content = written({"before": np.eye(2), "mine": matrix, "after": np.eye(3)}, compressed)
    found = {variable.name: variable for variable in mat_variables(content, 10_000)}
    assert list(found) == ["before", "mine", "after"]
    assert found["mine"].shape == dense.shape
    values = found["mine"].read()
    assert issparse(values) == sparse and values.dtype == np.float64
    np.testing.assert_array_equal(csc_array(values).toarray() if sparse else values, dense)


def test_a_sparse_matrix_of_truth_values_is_read() -> None:
    content = written({"mine": csc_array(np.eye(3, dtype=bool))}, False)
    (variable,) = mat_variables(content, 1000)
    np.testing.assert_array_equal(csc_array(variable.read()).toarray(), np.eye(3))


def test_nothing_is_unpacked_beyond_the_limit() -> None:
    content = written({"mine": np.zeros((1000, 1000))}, True)
    assert len(content) < 20_000
    (variable,) = mat_variables(content, 1000)
    assert variable.n_bytes == 8_000_000
    with pytest.raises(ValueError, match="too early"):
        variable.read()


CONTENTS = [
    written({"network": matrix, "group": np.eye(2)}, compressed)
    for matrix in (np.arange(6.0).reshape(2, 3), csc_array(np.eye(3)))
    for compressed in (False, True)
]


@given(
    content=st.sampled_from(CONTENTS), place=st.integers(124, 600), byte=st.integers(0, 255),
    end=st.none() | st.integers(0, 600),
)  # fmt: skip
def test_damage_is_a_value_error_or_other_numbers(
    content: bytes, place: int, byte: int, end: int | None
) -> None:
    damaged = bytearray(content[:end])
    if place < len(damaged):
        damaged[place] = byte
    try:
        for variable in mat_variables(bytes(damaged), 10_000):
            if variable.n_bytes < 10_000:
                variable.read()
    except (ValueError, OverflowError) as error:
        assert str(error)
    except Exception as error:
        assert type(error).__module__ == "zlib"
