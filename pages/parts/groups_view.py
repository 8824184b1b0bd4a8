"""The groups of an affinity matrix, for a run or for an uploaded file: sliders that answer at once."""

from dataclasses import dataclass

import streamlit as st

from gradtag_core.affinity.matrix import AffinityMatrix
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.config import Metric
from gradtag_core.figures.dendrogram import affinity_under_tree
from gradtag_core.grouping.result import Grouping
from pages.parts.charts import draw
from pages.parts.downloads import matrix_table
from pages.parts.errors import shown_errors
from pages.parts.groups_compare import show_comparison
from pages.parts.groups_controls import forget_k, pick_problem
from pages.parts.groups_quality import show_quality, show_table
from pages.parts.groups_stability import Bootstrapped, follow_stability
from pages.parts.groups_sweep import show_sweep
from pages.parts.groups_tasks import show_tasks
from pages.parts.groups_whatif import show_whatif
from pages.parts.solver import Matrix, Problem, grouping_of, method_for, solve_ahead
from pages.parts.state import theme
from pages.parts.when_seen import when_seen

__all__ = ["Affinities", "forget_k", "show_groups"]

MOST_DRAWN = 500
MAP_HEIGHT, PANELS_HEIGHT = 780, 620  # pixels, about what they take
SPINNER_TASKS = 150
PANELS = ("What if", "Other groupings", "How many groups", "Tasks")


@dataclass(frozen=True)
class Affinities:
    """What is grouped: `subject` names the run or file; `evidence` is what stands behind the values, where something
    does: the scores of subsets, or standard errors of a model."""

    subject: str
    matrix: Matrix
    default_k: int
    evidence: SubsetScores | AffinityMatrix | None = None
    metric: Metric | None = None

    @property
    def bootstrapped(self) -> Bootstrapped | None:
        """What stability is computed from; None for a matrix alone."""
        if self.evidence is None or self.metric is None:
            return None
        return Bootstrapped(self.matrix.key, self.evidence, self.metric)


@st.fragment
def show_groups(affinities: Affinities) -> None:
    """Controls, the map in group order, the groups and how good they are; only this part answers to a slider."""
    with shown_errors():
        matrix = affinities.matrix
        problem = pick_problem(affinities.subject, affinities.default_k, matrix)
        grouping = _solved(matrix, problem)
        left, right = st.columns([3, 2], gap="medium")
        with right:  # first, since it reaches the browser before the map is made
            show_quality(grouping, bool(problem.constraints))
            stability = None
            with shown_errors():
                stability = follow_stability(affinities.bootstrapped, grouping.n_groups, matrix.n_tasks)
            show_table(matrix, grouping, stability)
        with left:
            when_seen("groups_map", lambda: _show_map(matrix, grouping), height=MAP_HEIGHT)
        if matrix.n_tasks > 1:
            when_seen(
                "groups_panels", lambda: _show_panels(affinities, problem, grouping), height=PANELS_HEIGHT
            )
        solve_ahead(matrix, problem)


def _solved(matrix: Matrix, problem: Problem) -> Grouping:
    """The groups; where they may take a while, something turns meanwhile."""
    method = method_for(matrix, problem)
    if problem.constraints or method == "milp" or (method == "sdp" and matrix.n_tasks > SPINNER_TASKS):
        with st.spinner("Grouping …", show_time=True):
            return grouping_of(matrix, problem)
    return grouping_of(matrix, problem)


def _show_panels(affinities: Affinities, problem: Problem, grouping: Grouping) -> None:
    """What can be asked about the groups; only the open panel is computed, and only it answers to its controls."""
    matrix = affinities.matrix
    whatif, others, number, tasks = st.tabs(PANELS, key="panel", bind="query-params", on_change="rerun")
    if whatif.open:
        with whatif:
            show_whatif(matrix, grouping, problem.constraints)
    if others.open:
        with others:
            show_comparison(matrix, grouping, problem.constraints)
    if number.open:
        with number:
            show_sweep(matrix, affinities.bootstrapped, problem)
    if tasks.open:
        with tasks:
            show_tasks(matrix, grouping, affinities.bootstrapped)


def _show_map(matrix: Matrix, grouping: Grouping) -> None:
    if matrix.n_tasks > MOST_DRAWN:
        st.info(f"A map of more than {MOST_DRAWN} tasks is not drawn.")
        return
    grouped = (
        st.segmented_control(
            "Order of the tasks", ("by group", "by similarity"), default="by group", required=True, key="map_order",
            bind="query-params", label_visibility="collapsed",
            help="By similarity, the tree knows nothing of the groups; its colours show where they are.",
        )
        == "by group"
    )  # fmt: skip
    figure = affinity_under_tree(
        matrix.values, matrix.task_names, group_labels=grouping.labels, grouped=grouped, theme=theme()
    )
    draw(
        figure, key="grouped_affinities",
        alt=f"Affinity of {matrix.n_tasks} tasks in {grouping.n_groups} groups, under a tree of the tasks.",
        caption="Row = evaluated task, column = co-task; frames are groups. Orange: the co-task raises the score "
        "above the task's own mean. The lower two branches of the tree meet, the more their tasks help each other "
        "(average linkage" + (", inside the groups first)." if grouped else ")."),
        table=lambda: matrix_table(matrix.values, matrix.task_names),
    )  # fmt: skip
