"""The report of a run, as HTML and PDF, and its bundle: made when asked for, then offered.

What goes wrong while a download button makes its file reaches nobody, so files are made first.
"""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from gradtag_core.report.findings import Findings
from gradtag_core.runs.row import RunRow
from pages.parts.errors import shown_errors

KEPT = "story_file"


@dataclass(frozen=True)
class File:
    """A file that was made; `remark` says what it lacks."""

    content: bytes
    remark: str | None = None


@dataclass(frozen=True)
class Kind:
    """What can be made of a run."""

    label: str
    suffix: str
    mime: str
    icon: str
    meaning: str
    make: Callable[[Findings], File]


def _html(found: Findings) -> File:
    from gradtag_core.report.html import report_html

    return File(report_html(found).encode())


def _pdf(found: Findings) -> File:
    from gradtag_core.report.html import report_html
    from gradtag_core.report.pdf import pdf_bytes

    return File(pdf_bytes(report_html(found)))


def _bundle(found: Findings) -> File:
    from gradtag_core.report.bundle import bundle_bytes

    content, problem = bundle_bytes(found)
    return File(content, problem and f"The bundle has no pictures. {problem}")


KINDS = (
    Kind("Report (HTML)", "html", "text/html", ":material/article:",
         "One file with everything; it opens in any browser and needs no network.", _html),
    Kind("Report (PDF)", "pdf", "application/pdf", ":material/picture_as_pdf:", "The same report on paper.", _pdf),
    Kind("Bundle (ZIP)", "zip", "application/zip", ":material/folder_zip:",
         "The run itself, its tables as CSV, its figures as SVG and PNG, and the report. It opens again in the app.",
         _bundle),
)  # fmt: skip


@st.fragment
def offer_files(row: RunRow, found: Findings) -> None:
    """A button for each kind of file; the one that was made is offered until another is asked for."""
    with st.container(key="story_files"):
        st.subheader("Take it with you", anchor=False)
        with st.container(horizontal=True):
            clicked = [
                kind for kind in KINDS
                if st.button(kind.label, icon=kind.icon, key=f"make_{kind.suffix}", help=kind.meaning)
            ]  # fmt: skip
        with shown_errors():
            for kind in clicked:
                st.session_state.pop(KEPT, None)
                with st.spinner(f"Making the {kind.label} …", show_time=True):
                    st.session_state[KEPT] = row.id, kind.suffix, kind.make(found)
        _offer(row)


def _offer(row: RunRow) -> None:
    run_id, suffix, file = st.session_state.get(KEPT, (None, None, None))
    kind = next((kind for kind in KINDS if kind.suffix == suffix), None)
    if run_id != row.id or kind is None:
        return
    st.download_button(
        f"Download {row.id}.{kind.suffix} ({len(file.content) / 1e6:.1f} MB)", file.content,
        f"{row.id}.{kind.suffix}", kind.mime, type="primary", icon=":material/download:", on_click="ignore",
        key=f"download_{kind.suffix}",
    )  # fmt: skip
    if file.remark:
        st.warning(file.remark, icon=":material/warning:")
