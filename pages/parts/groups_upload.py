"""An affinity matrix from a CSV file of the user's own, kept while its window is open."""

from io import BytesIO
from typing import Any

import streamlit as st

from gradtag_core.grouping.matrix_file import MAX_TASKS, read_affinity_csv
from pages.parts.downloads import TEMPLATE
from pages.parts.solver import RELAXED_UNASKED, Matrix

KEPT = "own_matrix"
MOST_MB = 200  # of CSV: the largest table with every digit of every number


def pick_file() -> Any | None:
    """The uploader, and what it takes."""
    left, right = st.columns([3, 2], gap="medium", vertical_alignment="bottom")
    uploaded = left.file_uploader("Affinity matrix (CSV)", type=["csv", "tsv", "txt"], key="affinity_file",
                                  max_upload_size=MOST_MB)  # fmt: skip
    right.caption(
        f"One row per evaluated task, one column per co-task; the first row and column name the tasks, at most "
        f"{MAX_TASKS:,}. Higher is better. Files of the Affinity page fit."
    )
    right.download_button("Template", TEMPLATE, "affinity-template.csv", "text/csv", icon=":material/download:",
                          on_click="ignore")  # fmt: skip
    return uploaded


def matrix_of(uploaded: Any) -> Matrix:
    """The matrix in an uploaded file, kept for other pages; raises `InvalidInput` for a bad one."""
    matrix = _read(uploaded.file_id, uploaded)
    st.session_state[KEPT] = uploaded.name, matrix
    _explain(matrix)
    return matrix


def kept_matrix() -> Matrix | None:
    """The matrix that was uploaded last in this window, with a way to be rid of it."""
    if KEPT not in st.session_state:
        return None
    name, matrix = st.session_state[KEPT]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"Of `{name.replace('`', '´')}`, uploaded earlier:", width="content")
        st.button("Forget it", icon=":material/close:", on_click=lambda: st.session_state.pop(KEPT))
    _explain(matrix)
    return matrix


def _explain(matrix: Matrix) -> None:
    """A word on what happens to a matrix."""
    if (matrix.values != matrix.values.T).any():
        st.caption(
            "The matrix is not symmetric. Groups depend only on the mean of T[i, j] and T[j, i], so it is symmetrised "
            "for them; predicted scores use the rows as they are."
        )
    if matrix.n_tasks > RELAXED_UNASKED:
        st.caption(
            f"Above {RELAXED_UNASKED} tasks the method “automatic” is the local search, whose bound is looser. "
            "“Relaxation (SDP)” takes longer and tells more."
        )


@st.cache_resource(max_entries=8, show_spinner="Reading the matrix …")
def _read(file_id: str, _uploaded: Any) -> Matrix:
    return Matrix.of(*read_affinity_csv(BytesIO(_uploaded.getvalue())))
