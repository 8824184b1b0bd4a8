"""The form for instructions to a language model: pairs of texts, and prompt templates that are the tasks."""

from typing import Any

import streamlit as st

from gradtag_core.tasks.instructions import instruction_suite, read_pairs
from gradtag_core.tasks.suite import TaskSuite
from gradtag_core.tasks.table_file import MAX_BYTES
from gradtag_core.tasks.yaml_nodes import MAX_BYTES as MAX_TEMPLATE_BYTES
from pages.parts.data_draft import Draft, pick_seed
from pages.parts.data_table import first_rows
from pages.parts.data_templates import PROMPTS, pairs_csv, template_button
from pages.parts.data_upload import file_name, pick, read_upload

TYPES = ["csv", "tsv", "txt", "parquet"]


def draw_instructions() -> Draft | None:
    """The two uploaders and what labels mean; None before both files are there."""
    st.caption(
        "Two texts and a label a row, in the form of RTE (CSV, tsv or parquet; the first row names the columns), and "
        "templates in YAML: of a name, a prompt with placeholders such as `{{text1}}`, and the two answers, or in the "
        "form of PromptSource. Each template is a task."
    )
    with st.container(horizontal=True):
        template_button("Pairs", pairs_csv(), "pairs-template.csv")
        template_button("Templates", PROMPTS, "prompts-template.yaml")
    pairs_file = pick("Pairs of texts", "data_pairs", MAX_BYTES // 2**20, TYPES)
    templates_file = pick("Templates", "data_prompts", max(1, MAX_TEMPLATE_BYTES // 2**20), ["yaml", "yml"])
    options = _options()
    if pairs_file is None:
        return None
    pairs = read_upload(read_pairs, {"path": pairs_file}, {"labels": options["labels"]})
    if templates_file is None:
        return None
    files = {"data": pairs_file, "templates": templates_file}

    def build() -> TaskSuite:
        return read_upload(instruction_suite, files, options)

    names = {parameter: file_name(file) for parameter, file in files.items()}
    return Draft(
        repr(("instructions", pairs_file.file_id, templates_file.file_id, sorted(options.items()))), build,
        (pairs_file, templates_file), {**options, **names},
        f"Pairs of {names['data']} in the templates of {names['templates']}; each task is to answer one template.",
        first_rows(pairs.table),
    )  # fmt: skip


def _options() -> dict[str, Any]:
    with st.grid(2, min_column_width=150, vertical_alignment="bottom"):
        no, yes = (
            st.text_input(
                f"Label that means {word}", key=f"data_label_{word}", persist_state="page", placeholder="automatic",
                help="Where labels are not entailment, true, yes or 1, and their contraries.",
            ).strip()
            for word in ("no", "yes")
        )  # fmt: skip
        n_pairs = st.number_input(
            "Pairs at most", min_value=1, value=None, step=1, placeholder="all", key="data_n_pairs",
            persist_state="page", help="So many are drawn.",
        )  # fmt: skip
        seed = pick_seed()
    labels = (no, yes) if no or yes else None
    return {"labels": labels, "n_pairs": n_pairs, "seed": seed}
