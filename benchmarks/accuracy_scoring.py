"""Studies of how a regression becomes a score: by which model, and by how many projections."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from benchmarks.accuracy_bench import Bench, Record
from gradtag_core.affinity.estimate import EstimationSettings, FeaturePair, estimate_ensemble_scores
from gradtag_core.affinity.lifted import LiftedModel, ScoringMode, lifted_scores
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.config import ProjectionKind
from gradtag_core.cost import Cost
from gradtag_core.gradients.features import Featurizer
from gradtag_core.gradients.projection import Projection, make_projection
from gradtag_core.runs.training_blocks import BLOCK
from gradtag_core.runs.units import Units

SAMPLE = 13 * BLOCK  # subsets that are scored by a forward pass each; whole blocks share their truth
SCORED_PROJECTIONS: tuple[ProjectionKind, ...] = ("pca", "gaussian")
MODES: tuple[ScoringMode, ...] = ("linear", "representer", "paper")
SEEDS = (1, 2, 4)
SEED_DIMENSION = 200


def scoring(bench: Bench) -> Iterator[Record]:
    """The linearised logits, a forward pass at the unprojected solution, and one at the lifted solution (as published),
    on the first subsets only; FLOPs of the regressions and scores are scaled to all m subsets."""
    few = first_subsets(bench, SAMPLE)
    for kind in SCORED_PROJECTIONS:
        for mode in MODES:
            scores, fixed = scored(few, kind, mode)
            n_scored = len(few.plan.subsets)
            record = few.judge("scoring", f"{kind}: {mode}, {n_scored} subsets", scores, fixed + scores.cost)
            flops = fixed.flops + scores.cost.flops * len(bench.plan.subsets) / n_scored
            yield {**record, "flops": flops, "flops_ratio": flops / bench.full_flops}


def first_subsets(bench: Bench, n_subsets: int) -> Bench:
    """The same bench on fewer subsets, the first of its own where those cover every pair of tasks."""
    n_subsets = min(n_subsets, len(bench.plan.subsets))
    changes = {"n_subsets": n_subsets, "truth": min(n_subsets, bench.config.truth)}
    return replace(bench, config=bench.config.model_copy(update=changes))


def scored(bench: Bench, kind: ProjectionKind, mode: ScoringMode) -> tuple[SubsetScores, Cost]:
    """Estimates of the bench's subsets at one base model, with their own cost, and the cost of the base model and its
    features; representer and paper take a forward pass for each subset."""
    units = bench.units_with(projection=kind, n_inits=1)
    config, seed = units.plan.config, bench.config.seed
    settings = EstimationSettings(config.l2, config.weighting)

    def work() -> SubsetScores:
        lift = fitted(units, kind, seed).lift if mode == "paper" else None
        model = LiftedModel(bench.suite, units.base_model(seed), units.device)
        train, _ = units.features(seed)
        return lifted_scores(model, train, bench.plan.subsets, settings, mode, lift, bench.reporter)

    if mode == "linear":
        scores = units.estimated(seed)
    else:
        parts = [units.base_model_key(seed), kind, config.proj_dim, config.l2, config.weighting, mode]
        scores = bench.kept("accuracy-lifted", [*parts, [list(s) for s in bench.plan.subsets]], work)
    return scores, units.base_model(seed).cost + units.features_facts(seed)[0]


def fitted(units: Units, kind: ProjectionKind, seed: int) -> Projection:
    """The projection that made the features of a unit, made again."""
    projection = make_projection(kind, units.plan.config.proj_dim, seed)
    featurizer = Featurizer(
        units.plan.suite, units.base_model(seed), projection, units.device, units.reporter
    )
    rows = units.plan.suite.rows("train")
    featurizer.fit(rows, seed)
    featurizer.featurize(
        units.plan.suite.rows("train", [0])
    )  # random ones learn the layers when they project
    return projection


def seeds(bench: Bench) -> Iterator[Record]:
    """Logits averaged over random projections of one base model, against one projection of as many dimensions."""
    for kind in ("gaussian", "factored"):
        for n_seeds in SEEDS:
            name = f"{kind}, {n_seeds} projections of d={SEED_DIMENSION}"
            yield bench.judge("seeds", name, over_projections(bench, kind, range(n_seeds)))
        dim = max(SEEDS) * SEED_DIMENSION
        wide = bench.gradients(n_inits=1, projection=kind, proj_dim=dim)
        yield bench.judge("seeds", f"{kind}, one projection of d={dim}", wide)


def over_projections(bench: Bench, kind: ProjectionKind, projection_seeds: Sequence[int]) -> SubsetScores:
    """Estimates by the mean of the logits over projections of several seeds, at one base model."""
    units, seed = bench.units, bench.config.seed
    config, suite = units.plan.config, bench.suite
    settings = EstimationSettings(config.l2, config.weighting)

    def work() -> SubsetScores:
        pairs, spent = [], Cost()
        for projection_seed in projection_seeds:
            projection = make_projection(kind, SEED_DIMENSION, projection_seed)
            featurizer = Featurizer(suite, units.base_model(seed), projection, units.device, bench.reporter)
            rows = suite.rows("train")
            spent += featurizer.fit(rows, projection_seed)
            pair = FeaturePair(featurizer.featurize(rows), featurizer.featurize(suite.rows("validation")))
            spent += pair.train.cost + pair.validation.cost
            pairs.append(pair)
        scores = estimate_ensemble_scores(
            pairs, bench.plan.subsets, suite.task_names, settings, seed, units.device, bench.reporter
        )
        return replace(scores, cost=scores.cost + spent)

    parts = [
        units.base_model_key(seed),
        kind,
        SEED_DIMENSION,
        list(projection_seeds),
        config.l2,
        config.weighting,
    ]
    members = [list(subset) for subset in bench.plan.subsets]
    scores = bench.kept("accuracy-projections", [*parts, members], work)
    return replace(scores, cost=scores.cost + units.base_model(seed).cost)
