"""Where the units of a run are made: before it, by the environment of the server; after it, by its record."""

import streamlit as st

from gradtag_core.errors import GradTagError
from gradtag_core.runs.engine.engine import EngineSettings
from gradtag_core.runs.record import RunRecord

FRESH_SECONDS = 30
MOST_PLACES = 4  # that are named


def show_places() -> None:
    """A caption on the Estimate page: where the units of a run that is launched now will be made."""
    try:
        settings = EngineSettings.of()
    except GradTagError as error:
        st.warning(f"{error}", icon=":material/warning:")
        return
    where = settings.where
    if settings.scheduler:
        workers = _workers(settings.scheduler)
        where += (
            " (nobody answers there)" if workers is None else f" ({workers} worker{'s' * (workers != 1)})"
        )
    st.caption(f"Units will run {where}.")


def places_caption(record: RunRecord) -> str:
    """How many units of a run other processes made, and which; "" where its own process made all."""
    places = record.summary.places if record.has_summary else {}
    if not places:
        return ""
    busiest = sorted(places.items(), key=lambda own: -own[1])
    words = [f"{count} by {place}" for place, count in busiest[:MOST_PLACES]]
    rest = busiest[MOST_PLACES:]
    if rest:
        words.append(f"{sum(count for _, count in rest)} by {len(rest)} others")
    return f"{sum(places.values())} units were made in other processes: {', '.join(words)}."


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=False)
def _workers(address: str) -> int | None:
    from gradtag_core.runs.engine.dask_cluster import worker_count

    try:
        return worker_count(address)
    except GradTagError:  # a run that is launched now will say why
        return None
