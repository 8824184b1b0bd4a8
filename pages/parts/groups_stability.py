"""How firmly the groups of a run hold, computed in the background: it takes longer than a slider should."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Event

import streamlit as st

from gradtag_core.affinity.matrix import AffinityMatrix
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.config import Metric
from gradtag_core.grouping.stability import Stability, bootstrap_stability
from gradtag_core.progress import Reporter
from pages.parts.groups_jobs import Jobs
from pages.parts.state import session_token

POLL_SECONDS = 0.7
DELAY = 1.0  # a slider that goes on moving must not be slowed down


@dataclass(frozen=True, eq=False)
class Bootstrapped:
    """What to draw affinities from in one metric: the scores of a run, or an affinity with a model's standard errors;
    `key` names the affinities themselves."""

    key: str
    source: SubsetScores | AffinityMatrix
    metric: Metric

    def stability(self, n_groups: int, cancel: Event | None = None) -> Stability:
        return bootstrap_stability(self.source, self.metric, n_groups, reporter=Reporter(cancel=cancel))


@st.cache_resource(show_spinner=False)
def stabilities() -> Jobs:
    return Jobs(300, DELAY)


def follow_stability(source: Bootstrapped | None, n_groups: int, n_tasks: int) -> Stability | None:
    """The stability for so many groups if it is known; else it is begun, and the page is drawn again when it is."""
    if n_groups in (1, n_tasks):
        return None
    if source is None:
        st.caption("Stability needs the scores of a run: a matrix alone has nothing to resample.")
        return None
    key = (source.key, n_groups)
    found: Stability | None = stabilities().ready(key)
    if found is None:
        stabilities().only_ahead(key, lambda cancel: source.stability(n_groups, cancel), session_token())
        wait_for(stabilities(), key, "Stability is being computed …")
    return found


def wait_for(jobs: Jobs, key: Hashable, words: str | Callable[[], str]) -> None:
    """Say so until a result is there, then draw the page again."""
    st.fragment(_wait, run_every=POLL_SECONDS)(jobs, key, words)


def _wait(jobs: Jobs, key: Hashable, words: str | Callable[[], str]) -> None:
    if jobs.done(key) or not jobs.expected(key):  # another window may have given it up
        st.rerun()
    st.caption(f":material/hourglass_empty: {words if isinstance(words, str) else words()}")
