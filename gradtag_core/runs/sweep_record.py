"""What a sweep leaves behind: one folder that explains itself, readable on any machine.

sweep.json           configuration, command, provenance, and the results of each cell that is done
cells/000/…          the run of each cell, by its position in the grid, as `record` describes it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradtag_core.errors import InvalidInput, StoreError
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.sweep_measures import MEASURES, CellResult, Measure, Surface, surface
from gradtag_core.runs.work_record import WorkRecord
from gradtag_core.sweep_config import SweepConfig, read_sweep_config

if TYPE_CHECKING:
    from pandas import DataFrame

Results = dict[int, CellResult]


@dataclass(frozen=True)
class SweepSummary:
    """The content of sweep.json but for the results.

    `base` is the position of the cell that others are compared with. `failed` says what went wrong with a cell, by
    its position. `truths` names, by position, which real trainings judge a cell: equal names are the same trainings.
    """

    id: str
    name: str
    suite: str
    command: str
    created: float
    config: dict[str, Any]
    fingerprint: str
    versions: dict[str, str]
    device: str
    base: int
    truths: tuple[str | None, ...]
    seconds: float = 0.0
    failed: dict[int, str] = field(default_factory=dict)


class SweepRecord(WorkRecord):
    """A sweep's folder, read lazily; results may be missing while the sweep is at work."""

    kind = "sweep"

    @cached_property
    def summary(self) -> SweepSummary:
        fields = self._fields
        try:
            failed = {int(index): reason for index, reason in fields["failed"].items()}
            return SweepSummary(**{**fields, "failed": failed, "truths": tuple(fields["truths"])})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreError(f"`{self._path}` is not the summary of a sweep: {error}.") from error

    @cached_property
    def config(self) -> SweepConfig:
        return read_sweep_config(self.summary.config)

    @cached_property
    def results(self) -> Results:
        """What each cell that is done found, by its position in the grid."""
        try:
            stored = {
                int(index): CellResult.from_json(one) for index, one in self._content["results"].items()
            }
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreError(f"The results in `{self._path}` do not fit together: {error}.") from error
        outside = [index for index in stored if not 0 <= index < self.config.n_cells]
        if outside:
            raise StoreError(f"The results in `{self._path}` name cells that the grid has not: {outside}.")
        return dict(sorted(stored.items()))

    def cell(self, index: int) -> RunRecord:
        """The run of a cell."""
        if not 0 <= index < self.config.n_cells:
            raise InvalidInput(f"`cell` must be between 0 and {self.config.n_cells - 1}; found {index}.")
        return cell_record(self.folder, index)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Those in which some cell has a value."""
        found = self.results.values()
        return tuple(name for name in MEASURES if any(own.value(name)[0] is not None for own in found))

    def surface(self, measure: Measure) -> Surface:
        return surface(self.results, self.config.n_cells, measure)

    @property
    def n_truths(self) -> int:
        """How many different sets of real trainings judge the cells."""
        return len({self.summary.truths[index] for index in self.results} - {None})

    def table(self) -> DataFrame:
        """A line per cell of the grid: its knobs, every measure with its standard error, and why it failed."""
        from pandas import DataFrame

        lines = []
        for index, (values, _) in enumerate(self.config.cells()):
            line: dict[str, Any] = {"cell": index, **values}
            found = self.results.get(index)
            for name in MEASURES:
                value, error = found.value(name) if found else (None, None)
                line[name] = value
                if name in ("row_spearman", "share_of_ceiling", "gain", "agreement"):
                    line[f"{name}_standard_error"] = error
            lines.append({**line, "error": self.summary.failed.get(index)})
        return DataFrame(lines)

    def write(self, summary: SweepSummary, results: Mapping[int, CellResult]) -> None:
        """Replace what the folder says; the runs of the cells are there already."""
        values = asdict(summary)
        values["failed"] = {str(index): reason for index, reason in summary.failed.items()}
        stored = {str(index): result.to_json() for index, result in results.items()}
        self._replace(values, stored)

    def write_seconds(self, seconds: float) -> None:
        """Note how long the sweep took, over all its sessions."""
        self.write(replace(self.summary, seconds=seconds), self.results)


def cell_record(folder: Path, index: int) -> RunRecord:
    """The run of a cell of the sweep in a folder."""
    return RunRecord(folder / "cells" / f"{index:03d}")
