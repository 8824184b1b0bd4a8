"""The stages of a run, in order, and what a user reads while each one works."""

from typing import Literal, get_args

Stage = Literal["train", "featurize", "regress", "proxies", "group", "groups", "truth"]
STAGES: tuple[Stage, ...] = get_args(Stage)

ESTIMATE_STAGES: tuple[Stage, ...] = (
    "train",
    "featurize",
    "regress",
    "proxies",
)  # what replaces full training

STAGE_TITLES: dict[Stage, str] = {
    "train": "Training base models",
    "featurize": "Projecting gradients",
    "regress": "Estimating subsets",
    "proxies": "Training small models",
    "group": "Grouping tasks",
    "groups": "Training the groups",
    "truth": "Training subsets for real",
}
