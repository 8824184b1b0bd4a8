"""The stages of a run, in order, and what a user reads while each one works."""

from typing import Literal, get_args

Stage = Literal["train", "featurize", "regress", "group", "groups", "truth"]
STAGES: tuple[Stage, ...] = get_args(Stage)

STAGE_TITLES: dict[Stage, str] = {
    "train": "Training base models",
    "featurize": "Projecting gradients",
    "regress": "Estimating subsets",
    "group": "Grouping tasks",
    "groups": "Training the groups",
    "truth": "Training subsets for real",
}
