"""Runs that join small models with gradient estimates: what is stored, what each source is worth, what is reused."""

import numpy as np
import pytest

from gradtag_core.affinity.joined import join_estimates
from gradtag_core.affinity.label_similarity import label_similarity
from gradtag_core.affinity.matrix import average
from gradtag_core.config import METRICS, make_config
from gradtag_core.errors import GradTagError, InvalidInput
from gradtag_core.models.device import resolve_device
from gradtag_core.runs import training_blocks
from gradtag_core.runs.files import UnitCache
from gradtag_core.runs.plan import forecast
from gradtag_core.runs.record import RunRecord
from gradtag_core.runs.start import create_run, execute, load_plan, run
from gradtag_core.runs.store import RunStore
from gradtag_core.training.trainer import Recipe, Trainer

SMALL = {
    "suite": "digits", "model": "mlp", "n_tasks": 5, "width": 32, "epochs": 2, "base_epochs": 2, "n_inits": 2,
    "proj_dim": 8, "subset_size": 2, "n_subsets": 10, "n_groups": 2, "threads": 1, "train_groups": False,
    "proxies_per_task": 2,
}  # fmt: skip


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "home")


def small_config(**change):
    return make_config(None, **{**SMALL, **change})


@pytest.fixture
def blocks_trained(monkeypatch):
    """The subsets that are trained rather than found, call by call."""
    trained, real = [], training_blocks.fit_and_score

    def counted(trainer, blocks, *arguments):
        trained.append([subset for block in blocks for subset, _ in block])
        return real(trainer, blocks, *arguments)

    monkeypatch.setattr(training_blocks, "fit_and_score", counted)
    return trained


def test_both_sources_and_their_join_are_kept(store):
    config = small_config(proxies_per_task=1)
    record, plan = run(config, store), load_plan(config)
    gradients, proxies, estimated = record.gradients, record.proxies, record.estimated
    assert gradients and proxies and estimated
    assert (gradients.source, gradients.seeds, gradients.subsets) == ("estimated", (0, 1), plan.subsets)
    assert (proxies.source, proxies.seeds) == ("trained", (config.proxy_seed,))
    assert proxies.subsets == plan.proxy_subsets == plan.subsets[:5]
    assert (estimated.source, estimated.seeds, estimated.subsets) == ("estimated", (0,), plan.subsets)

    arrays = record._arrays
    np.testing.assert_array_equal(arrays["train_sizes"], plan.suite.train_sizes)
    similarity = label_similarity(plan.suite)
    joined = join_estimates(proxies, plan.subsets, gradients, similarity, plan.suite.train_sizes, 0)
    np.testing.assert_allclose(estimated.values, joined.scores.values, rtol=1e-9)
    for index, metric in enumerate(METRICS):
        affinity = record.affinity(metric)
        assert affinity is not None
        np.testing.assert_array_equal(affinity.standard_errors, arrays["standard_errors"][index])
        np.testing.assert_allclose(affinity.standard_errors, joined.standard_errors[index], rtol=1e-6)
        np.testing.assert_array_equal(affinity.values, average(estimated, metric).values)


def test_each_stage_is_charged_once(store):
    config = small_config(truth=4)
    record = run(config, store)
    costs = record.summary.costs
    assert list(costs) == ["train", "featurize", "regress", "proxies", "truth"]
    sources = (record.gradients, record.proxies, record.estimated)
    gradients, proxies, estimated = (found.cost.flops for found in sources if found)
    assert gradients + proxies == pytest.approx(estimated)
    assert gradients == pytest.approx(sum(costs[stage].flops for stage in ("train", "featurize", "regress")))
    assert proxies == costs["proxies"].flops
    trainings = next(work for work in forecast(load_plan(config), {}).work if work.stage == "proxies").flops
    assert trainings < proxies < 2 * trainings  # the fit comes on top
    comparison = record.comparison()
    assert comparison is not None
    assert comparison.lines["proxies"].flops_ratio == pytest.approx(
        proxies / record.summary.full_training_flops
    )
    assert {"gradients", "proxies", "train_size"} < comparison.lines.keys()
    again = run(config, store)
    assert again.summary.costs["truth"] == costs["truth"]
    assert again.summary.costs["proxies"].flops == pytest.approx(proxies)


def test_small_models_are_trained_as_the_plan_says(store):
    config = small_config()
    plan, proxies = load_plan(config), run(config, store).proxies
    assert proxies is not None
    assert plan.proxy_architecture.width == 16
    trainer = Trainer(plan.suite, plan.proxy_architecture, resolve_device("cpu"))
    recipe = Recipe(config.epochs, config.learning_rate * 2**0.5, config.batch_size, config.weighting)
    for index in (0, 7):
        subset = plan.proxy_subsets[index]
        alone = trainer.score(trainer.fit(subset, recipe, config.proxy_seed + index), subset, "validation")
        np.testing.assert_allclose(proxies.values[proxies.subset == index], alone, atol=1e-3)


def test_without_small_models_the_estimate_is_that_of_the_gradients(store):
    joined, alone = run(small_config(), store), run(small_config(proxies_per_task=0), store)
    assert joined.gradients and alone.estimated and joined.estimated
    np.testing.assert_array_equal(alone.estimated.values, joined.gradients.values)
    assert alone.estimated.seeds == (0, 1)
    assert not np.array_equal(joined.estimated.values[:20], alone.estimated.values[:20])
    assert alone.proxies is alone.gradients is None
    assert list(alone.summary.costs) == ["train", "featurize", "regress"]
    affinity = alone.affinity()
    assert affinity is not None
    expected = average(alone.estimated, affinity.metric).standard_errors
    np.testing.assert_array_equal(affinity.standard_errors, expected)


def test_small_models_can_do_alone(store):
    record = run(small_config(n_inits=0, truth=4, metric="loss"), store)
    assert record.summary.name.endswith("small models alone")
    assert list(record.summary.costs) == ["proxies", "truth"]
    assert record.gradients is None
    assert record.summary.captured_energy is None
    assert record.proxies and record.estimated
    means = [record.proxies.values[record.proxies.task == i].mean(0) for i in range(5)]
    np.testing.assert_allclose(record._arrays["base_scores"], means)
    comparison = record.comparison()
    assert comparison is not None
    assert comparison.lines["constant"].flops_ratio == 0
    assert "gradients" not in comparison.lines
    assert "proxies" in comparison.lines
    assert not list((store.home / "cache").glob("base-models/*/*"))


def test_a_task_that_no_small_model_has_gets_the_mean_of_all(store):
    for seed in range(30):
        config = small_config(n_inits=0, proxies_per_task=1, truth=10, seed=seed)
        missing = sorted(
            set(range(5)) - {task for subset in load_plan(config).proxy_subsets for task in subset}
        )
        if missing:
            break
    assert missing
    record = run(config, store)
    assert record.proxies and record.estimated
    base = record._arrays["base_scores"]
    np.testing.assert_allclose(
        base[missing], np.repeat(record.proxies.values.mean(0)[None], len(missing), axis=0)
    )
    assert np.isfinite(base).all()
    assert np.isfinite(record.estimated.values).all()
    assert record.comparison() is not None


def test_two_tasks_have_one_subset_and_gradients_alone(store):
    record = run(make_config(None, **{**SMALL, "n_tasks": 2, "n_subsets": None}), store)
    assert record.estimated and record.estimated.subsets == ((0, 1),)
    assert record.proxies is None
    with pytest.raises(InvalidInput, match="`n_inits` must be at least 1"):
        create_run(store, make_config(None, **{**SMALL, "n_tasks": 2, "n_subsets": None, "n_inits": 0}))


def test_only_what_is_new_is_trained(store, blocks_trained, monkeypatch):
    monkeypatch.setattr(training_blocks, "BLOCK", 5)

    def trained(**change):
        blocks_trained.clear()
        run(small_config(**change), store)
        return [subset for call in blocks_trained for subset in call]

    plan = load_plan(small_config())
    assert trained(proxies_per_task=1) == list(plan.subsets[:5])
    assert trained(proxies_per_task=1) == []
    assert trained(proxies_per_task=1, n_groups=3, proj_dim=9, n_inits=1, base_epochs=3, l2=0.1) == []
    assert trained() == list(plan.subsets[5:])
    assert trained(n_inits=0) == []
    assert trained(proxy_width=7) == list(plan.subsets)
    assert trained(learning_rate=0.01) == list(plan.subsets)


def test_small_models_as_wide_as_the_truths_are_not_confused_with_them(store, blocks_trained):
    record = run(small_config(proxy_width=32, truth=10), store)
    assert [len(call) for call in blocks_trained] == [10, 20]
    assert record.trained and record.proxies
    assert not set(record.trained.seeds) & set(record.proxies.seeds)


def test_a_run_that_broke_among_the_small_models_resumes_to_the_same_bits(store, monkeypatch, blocks_trained):
    monkeypatch.setattr(training_blocks, "BLOCK", 3)
    config = small_config(truth=4)
    expected = run(config, RunStore(store.home.parent / "undisturbed"))
    real = UnitCache.put_json

    def breaks_at_the_third_block(self, stage, key, value):
        if stage == training_blocks.STAGE and len(list(self.root.glob(f"{stage}/*/*.json"))) == 2:
            raise GradTagError("The disk is full.")
        real(self, stage, key, value)

    monkeypatch.setattr(UnitCache, "put_json", breaks_at_the_third_block)
    row = execute(store, create_run(store, config).id)
    assert (row.state, row.error) == ("failed", "The disk is full.")
    partial = RunRecord(store.run_folder(row.id))
    assert partial.estimated is partial.proxies is partial.gradients is None
    assert partial.affinity() is None
    assert list(partial.summary.costs) == ["train", "featurize", "regress"]

    monkeypatch.setattr(UnitCache, "put_json", real)
    blocks_trained.clear()
    store.reopen(row.id)
    assert execute(store, row.id).state == "done"
    assert 4 <= len(blocks_trained[0]) <= 7  # two of the four blocks were kept
    resumed = RunRecord(store.run_folder(row.id))
    for table in ("estimated", "gradients", "proxies", "trained"):
        np.testing.assert_array_equal(getattr(resumed, table).values, getattr(expected, table).values)
    for name, values in expected._arrays.items():
        np.testing.assert_array_equal(resumed._arrays[name], values)
    assert resumed.grouping and expected.grouping
    np.testing.assert_array_equal(resumed.grouping.labels, expected.grouping.labels)


def test_pairs_alone_are_joined_too(store):
    record = run(small_config(pairwise=True, truth=15), store)
    assert record.proxies and {len(subset) for subset in record.proxies.subsets} == {2}
    affinity = record.affinity()
    assert affinity is not None and np.isfinite(affinity.values).all()
    assert record.comparison() is not None


def test_without_a_projection_a_run_ends_too(store):
    record = run(small_config(projection="identity", n_tasks=3, n_subsets=3, width=4), store)
    assert record.summary.captured_energy == 1.0
    assert record.gradients and np.isfinite(record.gradients.values).all()
