"""From the progress of a stage to that of the whole run."""

from gradtag_core.progress import Progress
from gradtag_core.runs.plan import Forecast
from gradtag_core.runs.stages import STAGE_TITLES

NOMINAL_FLOPS_PER_SECOND = 1e10  # weighs the stages of a run on a machine that has not finished one yet
SMALLEST_SHARE = 1e-3  # a stage without a forecast still moves the bar


class OverallProgress:
    """The fraction done of a whole run and the seconds left, from its forecast and the pace of the stage at work."""

    def __init__(self, forecast: Forecast):
        self._known = forecast.seconds is not None
        seconds = {
            STAGE_TITLES[work.stage]: work.flops / NOMINAL_FLOPS_PER_SECOND
            if work.seconds is None
            else work.seconds
            for work in forecast.work
        }
        smallest = SMALLEST_SHARE * (sum(seconds.values()) or 1.0)
        seconds.setdefault(STAGE_TITLES["group"], smallest)
        in_order = [title for title in STAGE_TITLES.values() if title in seconds]
        self._seconds = {title: max(seconds[title], smallest) for title in in_order}

    def __call__(self, progress: Progress) -> tuple[float, float | None]:
        titles = list(self._seconds)
        position = titles.index(progress.stage)
        total = sum(self._seconds.values())
        before = sum(self._seconds[title] for title in titles[:position])
        fraction = (before + progress.fraction * self._seconds[progress.stage]) / total
        later = sum(self._seconds[title] for title in titles[position + 1 :])
        here = progress.seconds_left
        if here is None and self._known:
            here = (1 - progress.fraction) * self._seconds[progress.stage]
        return fraction, here + later if here is not None and self._known else None
