"""What a whole sweep will cost before it starts, with what its cells share counted once."""

import pandas as pd
import streamlit as st

from gradtag_core.runs.stages import STAGE_TITLES
from gradtag_core.runs.sweep_plan import StageForecast, SweepWork, forecast_sweep
from gradtag_core.sweep_config import SweepConfig
from pages.parts.forecast import UNKNOWN_RATES, source_of_rates
from pages.parts.quantities import flops_text, seconds_text
from pages.parts.state import store
from pages.parts.tables import plain_table


def show_sweep_forecast(config: SweepConfig, sweep: SweepWork) -> None:
    """The work and the time of the grid, beside those of as many separate runs, stage by stage."""
    found = forecast_sweep(sweep, store().cache)
    alone = sum(work.flops for cell, _ in sweep.cells for work in cell.work)
    takes = "" if found.seconds is None else f", about **{seconds_text(found.seconds)}**"
    st.markdown(f"**{config.n_cells} cells**: at most **{flops_text(found.flops)}**{takes}.")
    table = {
        "Stage": [STAGE_TITLES[stage.stage] for stage in found.stages],
        "To do": [_units(stage) for stage in found.stages],
        "Work left": [flops_text(stage.flops) if stage.flops else "none" for stage in found.stages],
        "Time left": [seconds_text(stage.seconds) if stage.flops else "none" for stage in found.stages],
    }
    plain_table(pd.DataFrame(table).set_index("Stage"), "sweep_stages")
    st.caption(
        "To do: units of work that differ between the cells, less those that the store keeps from earlier runs, of "
        f"those in as many separate runs. These would take {flops_text(alone)}. Grouping the tasks comes on top, "
        "seconds a cell. " + (UNKNOWN_RATES if found.seconds is None else source_of_rates("run"))
    )


def _units(stage: StageForecast) -> str:
    """ "12 of 36", with "at most" where the groups are not known yet."""
    if stage.different is None or stage.kept is None:
        return f"at most {stage.units:,}"
    return f"{stage.different - stage.kept:,} of {stage.units:,}"
