"""Which runs the list shows: what is searched for, in the address so that it can be shared."""

from collections.abc import Iterable
from dataclasses import dataclass

import streamlit as st

from gradtag_core.runs.row import RunRow


@dataclass(frozen=True)
class Filter:
    """What a run must be like to be listed; an empty choice asks for nothing."""

    text: str = ""
    states: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    data_sets: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    archived: bool = False

    def keeps(self, row: RunRow) -> bool:
        """Every word of the text must occur somewhere in the run's name, data set, tags, note or id."""
        searched = " ".join((row.name, row.suite, *row.tags, row.note, row.id)).casefold()
        return (
            (self.archived or not row.archived)
            and all(word in searched for word in self.text.casefold().split())
            and (not self.states or state_of(row) in self.states)
            and (not self.kinds or row.kind in self.kinds)
            and (not self.data_sets or row.suite in self.data_sets)
            and set(self.tags) <= set(row.tags)
        )


def state_of(row: RunRow) -> str:
    """The state as the list names it."""
    return "sample" if row.sample else "waiting" if row.waiting else row.state


def pick_filter(rows: list[RunRow]) -> Filter:
    """Draw the filters, with the values that the runs have."""
    with st.grid(5, min_column_width=150):
        text = st.text_input(
            "Search", key="q", bind="query-params", placeholder="name, data set, tag or note",
            help="Every word must occur in the name, the data set, the tags, the note or the id.",
        )  # fmt: skip
        states = _pick("State", "states", (state_of(row) for row in rows))
        kinds = _pick("Kind", "kinds", (row.kind for row in rows))
        data_sets = _pick("Data set", "data_sets", (row.suite for row in rows))
        tags = _pick("Tags", "tags", (tag for row in rows for tag in row.tags))
    n_archived = sum(row.archived for row in rows)
    archived = False
    if n_archived:
        archived = st.toggle(f"Show archived ({n_archived})", key="archived", bind="query-params")
    return Filter(text, states, kinds, data_sets, tags, archived)


def _pick(label: str, key: str, values: Iterable[str]) -> tuple[str, ...]:
    options = sorted(set(values), key=str.casefold)
    return tuple(st.multiselect(label, options, key=key, bind="query-params", placeholder="all"))
