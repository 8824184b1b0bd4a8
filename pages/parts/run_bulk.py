"""What can be done with several runs at once."""

import streamlit as st

from gradtag_core.runs.row import OPEN, RunRow
from pages.parts.compare_picker import MOST, RUNS
from pages.parts.errors import shown_errors
from pages.parts.quantities import plain
from pages.parts.state import delete_run, store

NAMED = 5


def show_bulk_actions(rows: list[RunRow], tags: list[str]) -> None:
    """Compare, archive, tag or delete the selected runs; `tags` are those in use."""
    st.header(f"{len(rows)} selected")
    with st.container(horizontal=True):
        _show_compare(rows)
        archive = not all(row.archived for row in rows)
        if st.button(
            "Archive" if archive else "Take out of the archive", icon=":material/archive:", key="archive_selected"
        ):  # fmt: skip
            with shown_errors():
                for row in rows:
                    store().annotate(row.id, archived=archive)
                st.rerun()
        with st.popover("Tag", icon=":material/label:"):
            _show_tags(rows, tags)
        kept = [row for row in rows if row.sample or row.state in OPEN]
        reason = "Samples cannot be deleted, and runs at work must be cancelled first." if kept else None
        if st.button(
            "Delete", icon=":material/delete:", disabled=bool(kept), help=reason, key="delete_selected"
        ):  # fmt: skip
            st.dialog(f"Delete {len(rows)} runs?")(_confirm_delete)(rows)


def _show_compare(rows: list[RunRow]) -> None:
    comparable = 2 <= len(rows) <= MOST and all(row.kind == "run" for row in rows)
    if st.button(
        "Compare", type="primary", icon=":material/compare_arrows:", disabled=not comparable, key="compare_selected",
        help=None if comparable else f"Two to {MOST} runs can be compared; studies and sweeps are not runs.",
    ):  # fmt: skip
        st.switch_page("pages/compare.py", query_params={RUNS: ",".join(row.id for row in rows)})


def _show_tags(rows: list[RunRow], tags: list[str]) -> None:
    key = hash(tuple(row.id for row in rows))
    added = st.multiselect(
        "Add", tags, accept_new_options=True, key=f"add_tags_{key}", placeholder="choose or type"
    )
    present = sorted({tag for row in rows for tag in row.tags}, key=str.casefold)
    removed = st.multiselect("Remove", present, key=f"remove_tags_{key}", placeholder="none")
    if st.button("Apply", key="apply_tags", disabled=not added and not removed):
        with shown_errors():
            for row in rows:
                store().annotate(row.id, tags=[tag for tag in (*row.tags, *added) if tag not in removed])
            st.rerun()


def _confirm_delete(rows: list[RunRow]) -> None:
    names = "\n".join(f"- {plain(row.name)}" for row in rows[:NAMED])
    more = f"\n- and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    st.markdown(f"These and all their results will be gone:\n\n{names}{more}")
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", key="confirm_delete_selected"):
            with shown_errors():
                for row in rows:
                    delete_run(row.id)
                st.rerun()
        if st.button("Keep", key="keep_selected"):
            st.rerun()
