"""Which number of groups to take, and why."""

from collections.abc import Hashable
from typing import Any

import pandas as pd
import streamlit as st

from gradtag_core.figures.sweep import sweep_curves
from gradtag_core.grouping.stability import Sweep, sweep_groups
from gradtag_core.grouping.sweep import AffinitySweep, numbers_to_try, sweep_affinity
from gradtag_core.progress import Progress, Reporter
from pages.parts.charts import draw
from pages.parts.groups_jobs import Jobs, Work
from pages.parts.groups_stability import Bootstrapped, wait_for
from pages.parts.solver import Matrix, Problem, method_for
from pages.parts.state import session_token, theme

ABOUT = {
    True: "Each number of groups is tried with the relaxation, then the subsets and initialisations are drawn anew 50 "
    "times: suggested is the largest k whose groups come out the same about as often as for the best.",
    False: "Each number of groups is tried on the matrix and on shuffled copies of it: suggested is the k whose groups "
    "stand out most from what the same search finds by chance. A matrix has no scores to draw anew, so stability "
    "cannot be told.",
}


@st.cache_resource(show_spinner=False)
def _sweeps() -> Jobs:
    return Jobs(50)


@st.cache_resource(show_spinner=False)
def _progress() -> dict[Hashable, Progress]:
    return {}


def show_sweep(matrix: Matrix, source: Bootstrapped | None, problem: Problem) -> None:
    """A button that begins the sweep, its progress, and then its curves, its table and the suggestion in words."""
    if matrix.n_tasks < 4:
        st.caption("With fewer than four tasks there is nothing to compare.")
        return
    numbers = numbers_to_try(matrix.n_tasks, problem.n_groups)
    wanted = f"swept_{matrix.key}_{source is not None}"
    if wanted not in st.session_state:
        st.markdown(ABOUT[source is not None])
        st.button(
            f"Try {len(numbers)} numbers of groups, from {numbers[0]} to {numbers[-1]}", icon=":material/insights:",
            key="sweep", on_click=st.session_state.__setitem__, args=(wanted, numbers),
        )  # fmt: skip
        return
    numbers = st.session_state[wanted]
    key = (matrix.key, source is not None, numbers)
    found: Sweep | AffinitySweep | None = _sweeps().ready(key)
    if found is None:
        _sweeps().ahead([(key, _work(matrix, source, problem, numbers, key))], session_token())
        wait_for(_sweeps(), key, lambda: _words(key))
        return
    _show_found(found, source is not None)
    st.button(
        "Try other numbers", icon=":material/refresh:", key="sweep_again", type="tertiary",
        on_click=st.session_state.pop, args=(wanted,), help="Numbers around the present k.",
    )  # fmt: skip


def _work(
    matrix: Matrix, source: Bootstrapped | None, problem: Problem, numbers: tuple[int, ...], key: Hashable
) -> Work:
    def note(progress: Progress) -> None:
        _progress()[key] = progress

    reporter = Reporter(note)
    if source is not None:
        return lambda: sweep_groups(source.source, source.metric, numbers, reporter=reporter)
    method = method_for(matrix, Problem(problem.n_groups))
    return lambda: sweep_affinity(
        matrix.values, numbers, task_names=matrix.task_names, method=method, reporter=reporter
    )


def _words(key: Hashable) -> str:
    progress = _progress().get(key)
    return "Waiting …" if progress is None else f"{progress.stage}: {progress.done} of {progress.total}"


def _show_found(found: Sweep | AffinitySweep, with_stability: bool) -> None:
    rows = found.to_rows()
    st.markdown(f"**Suggested:** {found.reason}")
    left, right = st.columns([3, 2], gap="medium")
    with left:
        draw(
            sweep_curves(rows, found.suggested, theme=theme()), key="sweep_curves",
            alt="Gap and " + ("stability" if with_stability else "lead") + " for each number of groups.",
            table=lambda: pd.DataFrame(rows),
        )  # fmt: skip
    titles: dict[str, str] = {
        "n_groups": "k", "density": "Density", "gap": "Gap", "agreement": "Stability", "standard_error": "± s.e.",
        "lead": "Lead", "shuffled_lead": "Shuffled",
    }  # fmt: skip
    table = pd.DataFrame(rows).rename(columns=titles)
    table["Gap"] *= 100
    number = st.column_config.NumberColumn
    help_texts: dict[str, Any] = {
        "Density": number(format="%.4f"),
        "Gap": number(format="%.1f %%", help="To the bound, as a share of the possible lead."),
        "Stability": number(
            format="%.2f", help="Mean adjusted Rand index with the groups of resampled scores."
        ),
        "± s.e.": number(format="%.2f"),
        "Lead": number(format="%.4g", help="Density over that of a random grouping."),
        "Shuffled": number(format="%.4g", help="The lead that the same search finds in shuffled affinities."),
    }
    with right:
        st.dataframe(
            table,
            hide_index=True,
            width="stretch",
            column_config=help_texts,
            alt="What each number of groups brings.",
        )
