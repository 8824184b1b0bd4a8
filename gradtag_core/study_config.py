"""Every knob of a study of methods: those of a run that its models share, and which methods and seeds to compare."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from gradtag_core.config import Metric, ModelKind, RunConfig, Weighting, broken_rule, knob
from gradtag_core.errors import InvalidInput

REFERENCES = ("naive_mtl", "single_task", "random_groups")  # what every method must be seen beside


def _as_in_a_run(name: str) -> Any:
    return RunConfig.model_fields[name]


class StudyConfig(BaseModel):
    """What a study compares: two equal configurations give equal scores on one machine."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    suite: str = _as_in_a_run("suite")
    n_tasks: int | None = _as_in_a_run("n_tasks")
    methods: tuple[str, ...] | None = knob(
        None,
        "The methods to compare, by name (empty: all that apply). Naive multitask training, single-task training and "
        "random groups are always among them.",
        title="Methods", paper="section 5.3",
    )  # fmt: skip
    seeds: int = knob(
        3, "How often every method runs, each time from another seed; standard errors are over seeds.",
        title="Seeds", paper="section 5.3", ge=1, le=1000,
    )  # fmt: skip
    metric: Metric = _as_in_a_run("metric")
    seed: int = _as_in_a_run("seed")
    n_groups: int | None = _as_in_a_run("n_groups")
    model: ModelKind | None = _as_in_a_run("model")
    width: int = _as_in_a_run("width")
    epochs: int = _as_in_a_run("epochs")
    learning_rate: float = _as_in_a_run("learning_rate")
    batch_size: int = _as_in_a_run("batch_size")
    weighting: Weighting = _as_in_a_run("weighting")
    search_limit: float | None = knob(
        None,
        "FLOPs that the search of one method may take, as a multiple of those of naive multitask training. A dearer "
        "search trains a random sample and predicts the rest, is charged in full, and is marked as estimated (empty: "
        "no limit).",
        title="Search limit", gt=0, le=1e12,
    )  # fmt: skip
    device: str = _as_in_a_run("device")
    threads: int = _as_in_a_run("threads")

    @field_validator("methods", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        """A list, as JSON has it, or names with commas between them, as on a command line."""
        if isinstance(value, str):
            value = [name.strip() for name in value.split(",") if name.strip()]
        if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
            return tuple(dict.fromkeys(value)) or None
        return value

    @property
    def all_seeds(self) -> tuple[int, ...]:
        return tuple(self.seed + index for index in range(self.seeds))


def make_study_config(**values: Any) -> StudyConfig:
    """A configuration from the values that differ from the defaults (None: the default).

    Raises `InvalidInput` with one sentence that names the parameter, its rule and the value found.
    """
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return StudyConfig(**given)
    except ValidationError as error:
        raise InvalidInput(broken_rule(error, StudyConfig)) from error


def difference(stored: StudyConfig, **values: Any) -> str | None:
    """The first value that is not the stored one, as a sentence; None where all agree (None: not given)."""
    given = make_study_config(**values)
    for name in StudyConfig.model_fields:
        asked, kept = getattr(given, name), getattr(stored, name)
        if values.get(name) is not None and asked != kept:
            return f"`{name}` must be that of the study, {_shown(kept)}; found {_shown(asked)}."
    return None


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    return ",".join(value) if isinstance(value, tuple) else str(value)
