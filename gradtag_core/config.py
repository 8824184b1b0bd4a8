"""Every knob, once: its rule, its default, its help text, its symbol and place in the paper.

The pages, the command line and the docs read the same fields. "Paper" is Grad-TAG, arXiv 2409.06091.
"""

from math import ceil, comb
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gradtag_core.errors import InvalidInput, quoted

ModelKind = Literal["sign", "mlp", "cnn", "gcn", "sage", "gin", "transformer"]
ProjectionKind = Literal["pca", "gaussian", "rademacher", "sjlt", "factored", "identity"]
ParameterKind = Literal["all", "backbone"]
ScoringMode = Literal["linear", "representer", "paper"]
Weighting = Literal["rows", "tasks"]
Rounding = Literal["spectral", "threshold"]
Metric = Literal["loss", "accuracy", "f1", "average_precision", "auc"]
SMALLEST_PROXY = 16  # neurons; narrower ones say little about wide models (benchmarks/accuracy.py)
MEETINGS = 15  # subsets in which a pair of tasks meets on average, where the number of subsets is left open
METRICS: tuple[Metric, ...] = get_args(Metric)

METRIC_TITLES: dict[Metric, str] = {
    "loss": "negated log loss",
    "accuracy": "accuracy",
    "f1": "F1",
    "average_precision": "average precision",
    "auc": "area under the ROC curve",
}


def knob(
    default: Any,
    description: str,
    *,
    title: str,
    symbol: str = "",
    paper: str = "",
    stage: str = "",
    **rule: Any,
) -> Any:
    """A field with all that a form, a command line and the docs need to show it.

    `stage` is the first stage of a run that a change of the knob repeats.
    """
    extra: dict[str, Any] = {"symbol": symbol, "paper": paper, "stage": stage}
    return Field(default, title=title, description=description, json_schema_extra=extra, **rule)


def knob_facts(config: type[BaseModel], name: str) -> dict[str, str]:
    """`symbol`, `paper` and `stage` of one knob."""
    facts: Any = config.model_fields[name].json_schema_extra
    return facts


def paper_reference(config: type[BaseModel], name: str) -> str:
    """The knob's symbol and its place in the paper, as one short phrase; empty where it has neither."""
    facts = knob_facts(config, name)
    return ", ".join(filter(None, (facts["symbol"], facts["paper"])))


class RunConfig(BaseModel):
    """What a run computes: two equal configurations give equal numbers on one machine."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    suite: str = knob("yeast", "The data set and its tasks.", title="Data set", stage="train")
    n_tasks: int | None = knob(
        None, "Use only the first tasks of the data set (empty: all of them).",
        title="Tasks", symbol="n", stage="train", ge=2,
    )  # fmt: skip
    metric: Metric = knob(
        "auc",
        "What a score measures; higher is better for each, so the loss enters negated. Every metric is stored with a "
        "run, so that it can be judged in another one later. Multiclass tasks have means over their classes; numeric "
        "targets have two alone: loss (squared error) and auc (concordance index: pairs in the right order).",
        title="Metric", paper="section 5.1", stage="affinity",
    )  # fmt: skip
    seed: int = knob(
        0, "Every draw follows from it: the same seed gives the same numbers on the same machine.",
        title="Seed", stage="train", ge=0, lt=2**31,
    )  # fmt: skip

    model: ModelKind | None = knob(
        None,
        "The shared encoder: SIGN, GCN, GraphSAGE (sage) or GIN for graphs, a multilayer perceptron (mlp) for tables, "
        "a small convolutional network (cnn) for images, a pretrained transformer for texts or images (empty: what "
        "suits the data set).",
        title="Model", paper="appendix C.1.1", stage="train",
    )  # fmt: skip
    pretrained: str | None = knob(
        None,
        "Of a transformer: a folder with a model as the transformers library saves it, or its name on the Hugging Face "
        "hub (empty: all-MiniLM-L6-v2, where its package is installed).",
        title="Pretrained model", paper="section 5.1", stage="train", max_length=500,
    )  # fmt: skip
    lora_rank: int = knob(
        4, "Of a transformer: rank of the low-rank adapters (LoRA) that are trained while its own weights stay frozen.",
        title="LoRA rank", symbol="r", paper="section 5.1", stage="train", ge=1, le=1024,
    )  # fmt: skip
    trained_layers: int = knob(
        2,
        "Of a transformer: how many of its last layers have adapters (0: all). What lies below them is computed once "
        "for each example and kept.",
        title="Layers with adapters", stage="train", ge=0, le=1000,
    )  # fmt: skip
    max_tokens: int = knob(
        64, "Of a transformer: tokens of a text that it reads; longer texts are cut.",
        title="Longest text (tokens)", stage="train", ge=4, le=8192,
    )  # fmt: skip
    width: int = knob(
        64, "Neurons per hidden layer. The paper's SIGN has 256.",
        title="Width", paper="appendix C.1.1", stage="train", ge=1, le=4096,
    )  # fmt: skip
    epochs: int = knob(
        10, "Passes over the training rows when a subset or a group is trained for real.",
        title="Epochs", stage="proxies", ge=1, le=10_000,
    )  # fmt: skip
    base_epochs: int = knob(
        5,
        "Passes over the training rows for a base model. Stopping before convergence leaves gradients "
        "that say more about transfer.",
        title="Epochs of a base model", stage="train", ge=1, le=10_000,
    )  # fmt: skip
    learning_rate: float = knob(
        0.003, "Step size of the Adam optimiser.",
        title="Learning rate", stage="train", gt=0, le=10,
    )  # fmt: skip
    batch_size: int = knob(
        128, "Training examples per optimiser step.",
        title="Batch size", stage="train", ge=1,
    )  # fmt: skip
    weighting: Weighting = knob(
        "rows",
        "What counts equally in the loss of several tasks: every training row, or every task. "
        "Estimates and real training use the same.",
        title="Loss weighting", stage="train",
    )  # fmt: skip

    n_inits: int = knob(
        1, "Base models trained from different seeds; estimates are averaged over them (0: no gradient estimate, "
        "small models alone).",
        title="Initialisations", symbol="M", paper="section 3.2, table 2", stage="train", ge=0, le=1000,
    )  # fmt: skip
    parameters: ParameterKind = knob(
        "all", "Which parameters have gradients: all, or all but the heads of the tasks (backbone).",
        title="Parameters", paper="section 3.2", stage="featurize",
    )  # fmt: skip
    projection: ProjectionKind = knob(
        "pca",
        "How gradients are shortened: onto the leading principal directions of the training gradients (keeps the most "
        "of them), by a random matrix with normal entries, as in the paper, with random signs, or with few entries "
        "(sjlt), by random signs for both sides of each layer (factored, the cheapest random one), or not at all "
        "(identity: exact, for few rows or a small model).",
        title="Projection", paper="section 3.2 for the random ones", stage="featurize",
    )  # fmt: skip
    proj_dim: int = knob(
        200, "Numbers kept of each gradient. More is more accurate and slower.",
        title="Projected dimension", symbol="d", paper="section 5.2.1, table 2", stage="featurize", ge=1, le=100_000,
    )  # fmt: skip
    l2: float = knob(
        1e-5,
        "Ridge penalty of the regressions, relative to the mean squared length of a projected gradient.",
        title="Ridge penalty", paper="ours; the paper names none", stage="regress", gt=0, le=1e6,
    )  # fmt: skip
    scoring: ScoringMode = knob(
        "linear",
        "How a regression's solution is scored: by the linearised model (linear, the cheapest by far), or by a real "
        "forward pass after the parameters moved, along the training gradients (representer) or back through the "
        "projection (paper).",
        title="Scoring", paper="section 3.2", stage="regress",
    )  # fmt: skip
    pairwise: bool = knob(
        False, "Score all pairs of tasks (and each task alone) in place of random subsets.",
        title="Pairs only", paper="section 2", stage="regress",
    )  # fmt: skip
    n_subsets: int | None = knob(
        None,
        "Random subsets of tasks whose training is estimated (empty: enough for every pair of tasks to meet in "
        "15 of them on average).",
        title="Subsets", symbol="m", paper="section 5.2.2", stage="regress", ge=1, le=1_000_000,
    )  # fmt: skip
    subset_size: int = knob(
        5, "Tasks in each random subset.",
        title="Subset size", symbol="α", paper="section 5.2.2", stage="regress", ge=2,
    )  # fmt: skip

    proxies_per_task: int = knob(
        10,
        "Small models trained for real, each on one of the subsets, per task of the suite (at most one per subset). "
        "Their scores are joined with the gradient estimates in an additive model of transfer. 0: gradient estimates "
        "alone, as in the paper.",
        title="Small models per task", paper="ours; the additive model follows arXiv 2303.14582", stage="proxies",
        ge=0, le=10_000,
    )  # fmt: skip
    proxy_width: int | None = knob(
        None,
        "Width of the small models (empty: a quarter of the width, at least 16). Their learning rate grows by the "
        "square root of what their width shrinks by.",
        title="Width of the small models", paper="ours", stage="proxies", ge=1, le=4096,
    )  # fmt: skip

    n_groups: int | None = knob(
        None, "Groups to form (empty: one for every five tasks, as the paper's 20 for 100).",
        title="Groups", symbol="k", paper="section 5.3.4", stage="group", ge=1,
    )  # fmt: skip
    rounding: Rounding = knob(
        "spectral",
        "How the relaxed solution becomes groups: exactly k by its eigenvectors, "
        "or the paper's threshold, which cannot promise k.",
        title="Rounding", paper="section 4", stage="group",
    )  # fmt: skip
    rounding_threshold: float | None = knob(
        None,
        "Tasks u and v share a group when X[u, v] reaches this (empty: searched between 1/n and 10/n "
        "for k groups). Giving one asks for the threshold rounding.",
        title="Rounding threshold", symbol="λ", paper="section 4", stage="group", gt=0, le=1,
    )  # fmt: skip

    truth: int = knob(
        0,
        "Subsets to train for real, on two seeds, so that the estimate can be judged. "
        "This costs what the estimate saves.",
        title="Really trained subsets", paper="section 5.2", stage="truth", ge=0,
    )  # fmt: skip
    train_groups: bool = knob(
        True, "Train one model per group and score every task with it on the test split.",
        title="Train the groups", paper="algorithm 2", stage="groups",
    )  # fmt: skip

    device: str = knob(
        "auto", "Where to compute: auto (CUDA if there is one), cpu, cuda.", title="Device",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
    )  # fmt: skip
    memory: float | None = knob(
        None,
        "Gibibytes that the process of a run may use while it projects gradients; features beyond their share of "
        "it are kept in a file meanwhile (empty: no limit).",
        title="Memory (GiB)", stage="featurize", gt=0, le=100_000,
    )  # fmt: skip
    threads: int = knob(
        1,
        "Threads for linear algebra (0: the library's choice). With more than one, small matrix products on a "
        "busy machine can take many times longer; raise it for wide models on a quiet one.",
        title="Threads", ge=0, le=1024,
    )  # fmt: skip

    @model_validator(mode="after")
    def _threshold_needs_its_rounding(self) -> "RunConfig":
        if self.rounding_threshold is not None and self.rounding != "threshold":
            raise ValueError("`rounding_threshold` is used only with `rounding` = threshold; set that too.")
        return self

    @model_validator(mode="after")
    def _scoring_needs_a_projection(self) -> "RunConfig":
        if self.scoring != "linear" and self.projection == "identity":
            raise ValueError(
                "`scoring` must be linear with `projection` = identity, which has no features to lift."
            )
        return self

    @model_validator(mode="after")
    def _something_estimates(self) -> "RunConfig":
        if self.n_inits == 0 and self.proxies_per_task == 0:
            raise ValueError("`n_inits` and `proxies_per_task` must not both be 0; nothing would estimate.")
        return self

    @property
    def proxy_seed(self) -> int:
        """The seed of the first small model; each of the next ones takes the next. No base model or truth uses them."""
        return self.seed + 2_000_003

    @property
    def truth_seeds(self) -> tuple[int, int]:
        """The seeds of the two real trainings of each truth subset; no base model uses them."""
        return (self.seed + 1_000_003, self.seed + 1_000_033)

    @property
    def init_seeds(self) -> tuple[int, ...]:
        return tuple(self.seed + index for index in range(self.n_inits))

    def for_tasks(self, n_tasks: int) -> "RunConfig":
        """The configuration with what depends on the number of tasks filled in and checked."""
        limits = {"n_groups": self.n_groups, "subset_size": None if self.pairwise else self.subset_size}
        for name, value in limits.items():
            if value is not None and value > n_tasks:
                raise InvalidInput(f"`{name}` must be at most the number of tasks, {n_tasks}; found {value}.")
        pairs_per_subset = self.subset_size * (self.subset_size - 1) / (n_tasks * (n_tasks - 1))
        enough = min(comb(n_tasks, self.subset_size), ceil(MEETINGS / pairs_per_subset))
        return self.model_copy(
            update={
                "n_groups": self.n_groups or max(2, round(n_tasks / 5)),
                "n_subsets": self.n_subsets or enough,
                "proxy_width": self.proxy_width or min(self.width, max(SMALLEST_PROXY, self.width // 4)),
            }
        )


PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"proj_dim": 100, "subset_size": 4, "proxies_per_task": 5},
    "paper": {
        "width": 256, "n_inits": 5, "proj_dim": 200, "n_subsets": 2000, "subset_size": 10, "epochs": 100,
        "base_epochs": 100, "projection": "gaussian", "rounding": "threshold", "scoring": "paper",
        "proxies_per_task": 0,
    },
    "accurate": {"n_inits": 3, "l2": 1e-6, "proxies_per_task": 40},
}  # fmt: skip

PRESET_HELP: dict[str, str] = {
    "quick": "Seconds: enough to see the shape of the answer.",
    "paper": "The settings of the paper (section 5.2.2): m = 2,000 subsets of 10, d = 200, M = 5, width 256.",
    "accurate": "More initialisations, and a small model for nearly every subset.",
}


def make_config(preset: str | None = None, **values: Any) -> RunConfig:
    """A configuration from a preset and the values that differ from it (None: as the preset says).

    Raises `InvalidInput` with one sentence that names the parameter, its rule and the value found.
    """
    if preset is not None and preset not in PRESETS:
        raise InvalidInput(f"`preset` must be one of {quoted(tuple(PRESETS))}; found `{preset}`.")
    given = {name: value for name, value in values.items() if value is not None}
    if "rounding_threshold" in given:
        given.setdefault("rounding", "threshold")  # asking for a threshold is asking for its rounding
    try:
        return RunConfig(**{**PRESETS.get(preset or "", {}), **given})
    except ValidationError as error:
        raise InvalidInput(broken_rule(error, RunConfig)) from error


def read_config(values: dict[str, Any]) -> RunConfig:
    """The configuration stored in a run's file; raises `InvalidInput` as `make_config` does."""
    return make_config(None, **values)


def broken_rule(error: ValidationError, model: type[BaseModel]) -> str:
    """The first broken rule in one sentence."""
    first = error.errors(include_url=False)[0]
    if "ctx" in first and "error" in first["ctx"]:
        return str(first["ctx"]["error"])
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return (
            f"`{name}` is not a parameter here; the parameters are {quoted(tuple(model.model_fields), 99)}."
        )
    rule = first["msg"][0].lower() + first["msg"][1:]
    return f"`{name}`: {rule}; found {first['input']!r}."
