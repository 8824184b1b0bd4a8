"""Grad-TAG: affinities of random subsets from gradients at models trained on all tasks, then the relaxation (arXiv
2409.06091, algorithm 2)."""

from dataclasses import replace
from functools import reduce

from gradtag_core.affinity.estimate import EstimationSettings, FeaturePair, estimate_scores
from gradtag_core.affinity.joined import join_estimates
from gradtag_core.affinity.label_similarity import label_similarity
from gradtag_core.affinity.matrix import average
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.affinity.subsets import Subset, covering_subsets
from gradtag_core.config import RunConfig, make_config
from gradtag_core.cost import Meter, measure
from gradtag_core.errors import InvalidInput
from gradtag_core.gradients.features import Featurizer
from gradtag_core.gradients.projection import make_projection
from gradtag_core.grouping.cluster import cluster
from gradtag_core.methods.protocol import MethodResult, Setting
from gradtag_core.methods.searched import train_subsets
from gradtag_core.methods.trained_groups import as_groups, train_groups
from gradtag_core.training.stacked import fit_many
from gradtag_core.training.trainer import BaseModel, Trainer

SUBSET_SIZE = 5


def method_config(
    setting: Setting, preset: str | None, n_inits: int | None, proxies_per_task: int = 0
) -> RunConfig:
    """The configuration of a run by that preset, made definite for the setting; without a preset, `n_inits` base
    models and as many small models per task as asked for."""
    n_tasks, recipe = setting.suite.n_tasks, setting.recipe
    config = make_config(
        preset, n_inits=n_inits, proxies_per_task=None if preset else proxies_per_task,
        subset_size=min(SUBSET_SIZE, n_tasks - 1),
        seed=setting.search_seed, width=setting.architecture.width, epochs=recipe.epochs,
        learning_rate=recipe.learning_rate, batch_size=recipe.batch_size, weighting=recipe.weighting,
        n_groups=setting.n_groups, metric=setting.metric,
    )  # fmt: skip
    return config.for_tasks(n_tasks)


def base_models(setting: Setting, config: RunConfig, meter: Meter) -> list[BaseModel]:
    """Models trained on all tasks, stopped early, one per initialisation."""
    recipe = replace(setting.recipe, epochs=min(config.base_epochs, setting.recipe.epochs))
    work = [(setting.everything, seed) for seed in config.init_seeds]
    found: dict[int, BaseModel] = {}
    for stack in fit_many(setting.trainer, work, recipe, setting.reporter):
        found |= stack
    meter.flops += sum(model.cost.flops for model in found.values())
    return [found[position] for position in range(len(work))]


def gradient_features(setting: Setting, config: RunConfig, base: BaseModel, meter: Meter) -> FeaturePair:
    """Projected gradients of the training and the validation rows at a base model."""
    projection = make_projection(config.projection, config.proj_dim, base.seed)
    featurizer = Featurizer(
        setting.suite, base, projection, setting.device, setting.reporter, config.parameters
    )
    train_rows = setting.suite.rows("train")
    fit = featurizer.fit(train_rows, base.seed)
    pair = FeaturePair(
        featurizer.featurize(train_rows), featurizer.featurize(setting.suite.rows("validation"))
    )
    meter.flops += fit.flops + pair.train.cost.flops + pair.validation.cost.flops
    return pair


def estimate(
    setting: Setting, config: RunConfig, pairs: list[FeaturePair], subsets: list[Subset], meter: Meter
) -> SubsetScores:
    """The scores of every subset at every base model."""
    settings = EstimationSettings(config.l2, config.weighting)
    parts = [
        estimate_scores(
            pair.train, pair.validation, subsets, setting.suite.task_names, settings, seed, setting.device,
            setting.reporter,
        )
        for seed, pair in zip(config.init_seeds, pairs, strict=True)
    ]  # fmt: skip
    meter.flops += sum(part.cost.flops for part in parts)
    return reduce(SubsetScores.join, parts)


def joined_with_small_models(
    setting: Setting, config: RunConfig, gradients: SubsetScores | None, subsets: list[Subset], meter: Meter
) -> SubsetScores:
    """The gradient estimates, if any, joined with small models trained on as many subsets as the configuration says."""
    width = config.proxy_width or setting.architecture.width
    small = Trainer(setting.suite, replace(setting.architecture, width=width), setting.device)
    rate = config.learning_rate * (setting.architecture.width / width) ** 0.5
    some = subsets[: config.proxies_per_task * setting.suite.n_tasks]
    recipe, seeds = (
        replace(setting.recipe, learning_rate=rate),
        range(config.proxy_seed, config.proxy_seed + len(some)),
    )
    proxies = train_subsets(setting, some, "Training small models", meter, small, recipe, seeds)
    joined = join_estimates(
        proxies, subsets, gradients, label_similarity(setting.suite), setting.suite.train_sizes, config.seed
    )
    meter.flops += joined.scores.cost.flops
    return joined.scores


def run(
    setting: Setting, n_inits: int | None = None, preset: str | None = None, proxies_per_task: int = 0
) -> MethodResult:
    """Estimate by gradients alone, as in the paper, by small models alone, or by both, as a run by `preset` does."""
    suite, config = setting.suite, method_config(setting, preset, n_inits, proxies_per_task)
    with measure() as meter:
        pairs = [
            gradient_features(setting, config, base, meter) for base in base_models(setting, config, meter)
        ]
        subsets = covering_subsets(
            suite.n_tasks, config.subset_size, config.n_subsets or 1, config.seed, suite.task_names
        )
        scores = estimate(setting, config, pairs, subsets, meter) if pairs else None
        if config.proxies_per_task:
            scores = joined_with_small_models(setting, config, scores, subsets, meter)
        if scores is None:
            raise InvalidInput("`n_inits` and `proxies_per_task` must not both be 0; nothing would estimate.")
        affinity = average(scores, setting.metric).values
        labels = cluster(affinity, setting.n_groups, seed=config.seed).labels
        trained = train_groups(setting, as_groups(labels), meter)
    return trained.result(setting, "grad_tag", meter.cost)
