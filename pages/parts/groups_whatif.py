"""What if a task moved, two groups were one, or a group were two? Everything follows at once and can be undone."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
import streamlit as st

from gradtag_core.grouping.constraints import Constraints, make_rules
from gradtag_core.grouping.density import group_densities
from gradtag_core.grouping.edit import (
    EditedGrouping,
    broken_rules,
    merge_changes,
    move_changes,
    moved_tasks,
    task_scores,
)
from gradtag_core.grouping.result import Grouping
from pages.parts.groups_variants import KEPT_WHERE, OWN, free_name, marked_chips, variants_of
from pages.parts.quantities import plain
from pages.parts.solver import Matrix, bound_ahead, bound_of
from pages.parts.tables import plain_table

MOVE, MERGE, SPLIT = "Move a task", "Merge two groups", "Split a group"
MOST_CHANGES = 10  # of the predicted scores
LISTED_NAMES = 3
SMALLEST = 1e-12
Change = Callable[[EditedGrouping], EditedGrouping]


def show_whatif(matrix: Matrix, grouping: Grouping, constraints: Constraints) -> None:
    """The editor: what to change, what that changes, and a name to keep it under."""
    variants = variants_of(matrix)
    starts = {OWN: grouping, **variants}
    start = starts[OWN]
    if variants:
        start = starts[st.selectbox("Start from", list(starts), key=f"start_{matrix.key}")]
    edited = _edits().get(_place(matrix, start)) or EditedGrouping(matrix.values, start)
    after = edited.to_grouping(partial(bound_of, matrix))
    left, right = st.columns([2, 3], gap="medium")
    with left:
        _pick_change(matrix, edited)
        _show_history(matrix, edited)
        _save(matrix, edited, after)
    with right:
        _show_figures(matrix, edited, after)
        if constraints:
            _show_broken(matrix, edited, constraints)
        _show_groups(matrix, edited)
        _show_scores(matrix, edited)
    bound_ahead(matrix, edited.n_groups)


def _show_broken(matrix: Matrix, edited: EditedGrouping, constraints: Constraints) -> None:
    broken = broken_rules(make_rules(constraints, matrix.task_names, edited.n_groups), edited.labels)
    if broken:
        st.warning(f"Breaks the constraints: {plain('; '.join(broken))}.", icon=":material/rule:")


def _edits() -> dict[Any, EditedGrouping]:
    return st.session_state.setdefault("edits", {})


def _place(matrix: Matrix, start: Grouping) -> tuple[str, bytes]:
    """Edits belong to the groups they began with: another k has its own, and coming back finds these again."""
    return matrix.key, start.labels.tobytes()


def _state(matrix: Matrix, edited: EditedGrouping) -> str:
    """Part of the keys of what is chosen among the present groups: other groups, other choices."""
    return f"{matrix.key}_{crc32(edited.labels.tobytes()):x}"


def _apply(matrix: Matrix, edited: EditedGrouping, change: Change) -> None:
    _edits()[_place(matrix, edited.start)] = change(edited)


def _pick_change(matrix: Matrix, edited: EditedGrouping) -> None:
    kind = st.segmented_control(
        "Change",
        (MOVE, MERGE, SPLIT),
        default=MOVE,
        required=True,
        key="edit_kind",
        label_visibility="collapsed",
    )
    change = {MOVE: _pick_move, MERGE: _pick_merge, SPLIT: _pick_split}[kind or MOVE](matrix, edited)
    st.button(
        "Apply", type="primary", icon=":material/check:", disabled=change is None, key="edit_apply",
        on_click=_apply, args=(matrix, edited, change),
    )  # fmt: skip


def _pick_move(matrix: Matrix, edited: EditedGrouping) -> Change | None:
    """The task keeps its place in the list through edits; its best other group is on top."""
    names = matrix.task_names
    task = names.index(st.selectbox("Task", names, key=f"edit_task_{matrix.key}") or names[0])
    own = int(edited.labels[task])
    changes = move_changes(matrix.values, edited.labels, task)
    alone = int((edited.labels == own).sum()) == 1
    options = [g for g in np.argsort(-changes, kind="stable").tolist() if g != own]
    if alone:
        options.remove(edited.n_groups)
    if not options:
        st.caption("There is no other group to move it to.")
        return None
    titles = [*_titles(edited), "a group of its own"]
    group = st.selectbox(
        f"from group {own + 1} to", options, key=f"edit_to_{_state(matrix, edited)}_{task}",
        format_func=lambda to: f"{titles[to]} ({changes[to]:+.4g})",
        help="In brackets: what the move adds to the density.",
    )  # fmt: skip
    return None if group is None else lambda edited: edited.move(task, group)


def _pick_merge(matrix: Matrix, edited: EditedGrouping) -> Change | None:
    if edited.n_groups == 1:
        st.caption("There is only one group.")
        return None
    changes, titles = merge_changes(matrix.values, edited.labels), _titles(edited)
    pairs = [(int(a), int(b)) for a, b in np.argwhere(np.triu(np.ones_like(changes), 1))]
    best = max(pairs, key=lambda pair: changes[pair])
    state = _state(matrix, edited)
    first = st.selectbox(
        "Group",
        range(edited.n_groups),
        index=best[0],
        key=f"edit_first_{state}",
        format_func=titles.__getitem__,
    )
    rest = sorted((g for g in range(edited.n_groups) if g != first), key=lambda g: -changes[first, g])
    second = st.selectbox(
        "with", rest, key=f"edit_second_{state}_{first}",
        format_func=lambda other: f"{titles[other]} ({changes[first, other]:+.4g})",
        help="In brackets: what merging adds to the density.",
    )  # fmt: skip
    return None if first is None or second is None else lambda edited: edited.merge(first, second)


def _pick_split(matrix: Matrix, edited: EditedGrouping) -> Change | None:
    sizes = np.bincount(edited.labels)
    options = [group for group in range(edited.n_groups) if sizes[group] > 1]
    if not options:
        st.caption("Every group holds a single task.")
        return None
    titles = _titles(edited)
    group = st.selectbox(
        "Group", options, key=f"edit_split_{_state(matrix, edited)}", format_func=titles.__getitem__,
        help="It is divided where that leaves the most density.",
    )  # fmt: skip
    if group is None:
        return None
    st.caption(f"Splitting it changes the density by {edited.split_change(group):+.4g}.")
    return lambda edited: edited.split(group)


def _show_history(matrix: Matrix, edited: EditedGrouping) -> None:
    with st.container(horizontal=True):
        for label, icon, change, possible in (
            ("Undo", "undo", EditedGrouping.undo, bool(edited.done)),
            ("Redo", "redo", EditedGrouping.redo, bool(edited.undone)),
            (
                "Reset",
                "restart_alt",
                EditedGrouping.reset,
                bool(moved_tasks(edited.labels, edited.start.labels).any()),
            ),
        ):
            st.button(
                label, icon=f":material/{icon}:", disabled=not possible, key=f"edit_{label.lower()}",
                on_click=_apply, args=(matrix, edited, change),
            )  # fmt: skip
    if edited.done:
        steps = [plain(step.words) for step in edited.done]
        st.caption("Done: " + " → ".join(["…", *steps[-6:]] if len(steps) > 6 else steps) + ".")


def _keep_variant(matrix: Matrix, after: Grouping, field: str) -> None:
    """Under the name in the field now: leaving it and pressing the button can reach the server together."""
    variants_of(matrix)[str(st.session_state[field]).strip() or free_name(matrix)] = after


def _save(matrix: Matrix, edited: EditedGrouping, after: Grouping) -> None:
    variants = variants_of(matrix)
    field = f"variant_name_{len(variants)}"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(
            "Save as a variant",
            placeholder=free_name(matrix),
            key=field,
            max_chars=40,
        )
        name = name.strip() or free_name(matrix)
        st.button(
            "Save", icon=":material/bookmark_add:", disabled=not edited.done, key="variant_save",
            on_click=_keep_variant, args=(matrix, after, field),
            help="It is then listed under “Other groupings”, beside spectral clustering and Lloyd's k-means.",
        )  # fmt: skip
    taken = name in variants
    st.caption(f"Replaces the variant of that name. {KEPT_WHERE}" if taken else KEPT_WHERE)


def _show_figures(matrix: Matrix, edited: EditedGrouping, after: Grouping) -> None:
    before = replace(edited.start, upper_bound=bound_of(matrix, edited.start.n_groups))
    changes = _score_changes(matrix, edited)
    figures: tuple[tuple[str, str, str, Any, str], ...] = (
        ("Density", f"{after.density:#.5g}", _delta(after.density - before.density, "+.4g"), "normal",
         "The arrow: against the groups one started from."),
        ("Gap to the bound", f"{after.gap:.1%}", _delta(after.gap - before.gap, "+.1%"), "inverse",
         "The share of the possible lead over a random grouping into as many groups that may be missing."),
        ("Groups", str(after.n_groups), _delta(after.n_groups - before.n_groups, "+d"), "off", "Their number."),
        ("Tasks that gain", str(int((changes > 0).sum())), "", "off", "Their predicted score has risen."),
        ("Tasks that lose", str(int((changes < 0).sum())), "", "off", "Their predicted score has fallen."),
    )  # fmt: skip
    with st.container(horizontal=True, gap="medium"):
        for label, value, delta, colour, meaning in figures:
            st.metric(label, value, delta or None, delta_color=colour, width="content", help=meaning)


def _delta(change: float, form: str) -> str:
    return format(change, form) if abs(change) > SMALLEST else ""


def _score_changes(matrix: Matrix, edited: EditedGrouping) -> np.ndarray:
    before, after = (task_scores(matrix.values, labels) for labels in (edited.start.labels, edited.labels))
    changes = after - before
    return np.where(np.abs(changes) > SMALLEST * np.abs(matrix.values).max(), changes, 0.0)


def _show_groups(matrix: Matrix, edited: EditedGrouping) -> None:
    """The groups as they are now; tasks that are not where they began stand out."""
    densities = group_densities(matrix.values, edited.labels)
    moved = moved_tasks(edited.labels, edited.start.labels)
    elsewhere = {name for name, is_moved in zip(matrix.task_names, moved, strict=True) if is_moved}
    lines = [
        f"{number}. {density:.3f} · {marked_chips(names, elsewhere)}"
        for number, (names, density) in enumerate(zip(edited.groups, densities, strict=True), start=1)
    ]
    st.markdown("Groups with their densities" + (", moved tasks in orange:" if elsewhere else ":"))
    st.markdown("\n".join(lines))


def _show_scores(matrix: Matrix, edited: EditedGrouping) -> None:
    """Predicted scores before and after, of the tasks for which they differ."""
    changes = _score_changes(matrix, edited)
    order = np.argsort(-np.abs(changes), kind="stable")[: np.count_nonzero(changes)]
    if not len(order):
        st.caption("No predicted score differs from those of the groups one started from.")
        return
    before, shown = task_scores(matrix.values, edited.start.labels), order[:MOST_CHANGES]
    table = pd.DataFrame(
        {
            "Task": [plain(matrix.task_names[task]) for task in shown],
            "Group": [str(edited.labels[task] + 1) for task in shown],
            "Before": [f"{before[task]:.4f}" for task in shown],
            "After": [f"{before[task] + changes[task]:.4f}" for task in shown],
            "Change": [f"{changes[task]:+.4f}" for task in shown],
        }
    ).set_index("Task")
    most = f" (the {MOST_CHANGES} that change most, of {len(order)})" if len(order) > MOST_CHANGES else ""
    st.markdown(f"Predicted scores that change{most}:")
    plain_table(table, "changes")  # a data frame takes the browser longer than a move may
    st.caption(
        "The mean estimated affinity over the task's group, itself included; over all tasks these add up to the "
        "density."
    )


def _titles(edited: EditedGrouping) -> list[str]:
    """Each group by its number and its first tasks."""
    return [
        f"{number}: {', '.join(names[:LISTED_NAMES])}{' …' if len(names) > LISTED_NAMES else ''}"
        for number, names in enumerate(edited.groups, start=1)
    ]
