"""Opening a bundle: the run in a zip file becomes a run of this store."""

import streamlit as st

from gradtag_core.runs.row import RunRow
from pages.parts.errors import shown_errors
from pages.parts.quantities import plain
from pages.parts.state import choose_run, store

OPENED = "opened_bundle"


def offer_bundle_upload() -> None:
    """An uploader for a bundle; the run in it becomes the current one, with links to where it can be seen."""
    uploaded = st.file_uploader(
        "Open a bundle", type="zip", key="bundle",
        help="A zip file that the Story page made, here or elsewhere. The same run twice is one run.",
    )  # fmt: skip
    if uploaded is None:
        st.session_state.pop(OPENED, None)
        return
    file_id, row = st.session_state.get(OPENED, (None, None))
    if file_id != uploaded.file_id:
        with shown_errors():
            row = None
            from gradtag_core.report.opening import open_bundle

            with st.spinner("Opening the bundle …", show_time=True):
                row = open_bundle(store(), uploaded)
            choose_run(row.id)
            st.session_state[OPENED] = uploaded.file_id, row
    if row is not None:
        _show_opened(row)


def _show_opened(row: RunRow) -> None:
    st.success(f"Opened: {plain(row.name)}", icon=":material/folder_open:")
    with st.container(horizontal=True):
        for page, label, icon in (
            ("pages/story.py", "Its story", ":material/auto_stories:"),
            ("pages/affinity.py", "Its affinities", ":material/grid_on:"),
            ("pages/groups.py", "Its groups", ":material/workspaces:"),
        ):
            st.page_link(page, label=label, icon=icon, query_params={"run": row.id})
