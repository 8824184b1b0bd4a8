"""The solver's groups beside spectral clustering, Lloyd's k-means and what the user has made."""

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from gradtag_core.grouping.constraints import Constraints, make_rules
from gradtag_core.grouping.density import group_densities
from gradtag_core.grouping.edit import broken_rules, moved_tasks
from gradtag_core.grouping.result import Grouping
from pages.parts.groups_downloads import grouping_buttons
from pages.parts.groups_variants import KEPT_WHERE, OWN, marked_chips, variants_of
from pages.parts.quantities import plain
from pages.parts.solver import Matrix, Problem, bound_of, grouping_of

SPECTRAL, LLOYD = "spectral clustering", "Lloyd's k-means"
SIDE_BY_SIDE = 3


def show_comparison(matrix: Matrix, grouping: Grouping, constraints: Constraints) -> None:
    """A line per grouping, and up to `SIDE_BY_SIDE` of them beside the solver's own."""
    variants = variants_of(matrix)
    k = grouping.n_groups
    others = {
        SPECTRAL: grouping_of(matrix, Problem(k, "spectral")),
        LLOYD: grouping_of(matrix, Problem(k, "lloyd")),
        **{name: _bounded(matrix, variant) for name, variant in variants.items()},
    }
    _show_lines(matrix, {OWN: grouping, **others}, constraints)
    key = f"beside_{matrix.key}_{len(variants)}"
    newest = [SPECTRAL, LLOYD, *list(variants)[-1:]]
    chosen = st.multiselect(
        "Side by side with the solver's groups", list(others), newest, key=key, max_selections=SIDE_BY_SIDE
    )
    columns = st.columns(1 + len(chosen), gap="medium")
    with columns[0]:
        _show_card(matrix, OWN, grouping, grouping)
    for column, name in zip(columns[1:], chosen, strict=True):
        with column:
            _show_card(matrix, name, others[name], grouping)
            if name in variants:
                st.button(
                    "Delete this variant", icon=":material/delete:", key=f"drop_{name}", type="tertiary",
                    on_click=variants.__delitem__, args=(name,),
                )  # fmt: skip
    if variants:
        st.caption(KEPT_WHERE)


def _bounded(matrix: Matrix, variant: Grouping) -> Grouping:
    """The variant under the best limit known now."""
    return replace(variant, upper_bound=bound_of(matrix, variant.n_groups))


def _show_lines(matrix: Matrix, groupings: dict[str, Grouping], constraints: Constraints) -> None:
    from sklearn.metrics import adjusted_rand_score

    own = groupings[OWN].labels
    table = pd.DataFrame(
        [
            {
                "Grouping": name,
                "k": found.n_groups,
                "Density": found.density,
                "Gap": 100 * found.gap,
                "Adjusted Rand": adjusted_rand_score(own, found.labels),
                "Tasks elsewhere": int(moved_tasks(found.labels, own).sum()),
            }
            for name, found in groupings.items()
        ]
    )
    if constraints:
        table["Constraints"] = [
            "broken" if broken_rules(make_rules(constraints, matrix.task_names, found.n_groups), found.labels)
            else "met" for found in groupings.values()
        ]  # fmt: skip
    number = st.column_config.NumberColumn
    st.dataframe(
        table, hide_index=True, width="stretch", alt="Density, gap and agreement of each grouping.",
        column_config={
            "k": number(width="small", help="Number of groups."),
            "Density": number(format="%.4f"),
            "Gap": number(format="%.1f %%", help="The share of the possible lead over a random grouping into as many "
            "groups that may be missing."),
            "Adjusted Rand": number(format="%.2f", help="Agreement with the solver's groups: 1 for the same groups, 0 "
            "for chance."),
            "Tasks elsewhere": number(help="Tasks in another group than the solver's, groups paired so that these "
            "are fewest."),
        },
    )  # fmt: skip


def _show_card(matrix: Matrix, name: str, grouping: Grouping, own: Grouping) -> None:
    """One grouping: its groups with their densities, tasks that the solver puts elsewhere in orange."""
    moved = moved_tasks(grouping.labels, own.labels)
    elsewhere = {task for task, is_moved in zip(matrix.task_names, moved, strict=True) if is_moved}
    st.markdown(f"**{plain(name[:1].upper() + name[1:])}**")
    words = f"Density {grouping.density:#.5g}"
    if np.isfinite(grouping.gap) and name != OWN:
        words += f" ({grouping.density - own.density:+.4g})"
    st.caption(words + (", tasks that the solver puts elsewhere in orange" if elsewhere else "") + ".")
    densities = group_densities(matrix.values, grouping.labels)
    st.markdown(
        "\n".join(
            f"{number}. {density:.3f} · {marked_chips(names, elsewhere)}"
            for number, (names, density) in enumerate(zip(grouping.groups, densities, strict=True), start=1)
        )
    )
    grouping_buttons(grouping, name)
