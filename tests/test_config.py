import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.config import (
    METRIC_TITLES,
    METRICS,
    PRESET_HELP,
    PRESETS,
    RunConfig,
    knob_facts,
    make_config,
    read_config,
)
from gradtag_core.errors import InvalidInput
from gradtag_core.runs.stages import STAGES
from gradtag_core.study_config import StudyConfig


def test_every_knob_explains_itself():
    for name, field in RunConfig.model_fields.items():
        assert field.title and field.description, name
        assert field.description.endswith("."), name
        assert knob_facts(RunConfig, name)["stage"] in (*STAGES, "affinity", ""), name


# What the paper does not say, or leaves to whoever runs it.
WITHOUT_REFERENCE = {
    "suite", "n_tasks", "seed", "trained_layers", "max_tokens", "epochs", "base_epochs", "learning_rate", "batch_size",
    "weighting", "device", "memory", "threads",
}  # fmt: skip
OF_STUDIES_WITHOUT_REFERENCE = {"search_limit"}


@pytest.mark.parametrize(
    ("config", "without"),
    [(RunConfig, WITHOUT_REFERENCE), (StudyConfig, WITHOUT_REFERENCE | OF_STUDIES_WITHOUT_REFERENCE)],
)
def test_every_knob_names_its_place_in_the_paper_or_is_known_to_have_none(config, without):
    fields = set(config.model_fields)
    assert {name for name in fields if not knob_facts(config, name)["paper"]} == without & fields
    for name, field in config.model_fields.items():
        assert (field.description or "").endswith(".") and field.title, name


def test_every_preset_and_metric_has_its_words():
    assert PRESETS.keys() == PRESET_HELP.keys()
    assert all(words.endswith(".") for words in PRESET_HELP.values())
    assert set(METRICS) == METRIC_TITLES.keys()
    for preset in PRESETS:
        make_config(preset)


def test_the_paper_preset_is_the_papers():
    config = make_config("paper")
    assert (config.n_subsets, config.subset_size, config.proj_dim, config.n_inits) == (2000, 10, 200, 5)
    assert (config.width, config.rounding, config.projection) == (256, "threshold", "gaussian")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"proj_dim": 0}, r"`proj_dim`: input should be greater than or equal to 1; found 0"),
        ({"n_inits": 2.5}, r"`n_inits`: .*integer; found 2\.5"),
        ({"l2": 0.0}, r"`l2`: .*greater than 0; found 0\.0"),
        ({"metric": "f2"}, r"`metric`: .*'auc'; found 'f2'"),
        (
            {"rounding_threshold": 0.1, "rounding": "spectral"},
            r"`rounding_threshold` is used only with `rounding` = threshold",
        ),
        ({"n_subset": 10}, r"`n_subset` is not a parameter here; the parameters are `suite`"),
        ({"device": "tpu"}, r"`device`: .*found 'tpu'"),
    ],
)
def test_a_broken_rule_is_one_sentence_with_name_rule_and_value(values, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        make_config(None, **values)


def test_an_unknown_preset_names_the_known_ones():
    with pytest.raises(
        InvalidInput, match=r"`preset` must be one of `quick`, `paper`, `accurate`; found `fast`"
    ):
        make_config("fast")


def test_a_threshold_asks_for_its_rounding():
    assert make_config(None, rounding_threshold=0.1).rounding == "threshold"


def test_values_beside_a_preset_win():
    assert make_config("quick", proj_dim=7).proj_dim == 7
    assert make_config("quick", proj_dim=None).proj_dim == PRESETS["quick"]["proj_dim"]


@given(st.integers(2, 200), st.integers(2, 10))
def test_open_choices_are_filled_for_any_number_of_tasks(n_tasks, subset_size):
    config = RunConfig(subset_size=min(subset_size, n_tasks)).for_tasks(n_tasks)
    assert config.n_groups is not None and 1 <= config.n_groups <= n_tasks
    assert config.n_subsets is not None and config.n_subsets >= 1


@pytest.mark.parametrize("name", ["n_groups", "subset_size"])
def test_more_than_there_are_tasks_is_refused(name):
    with pytest.raises(InvalidInput, match=rf"`{name}` must be at most the number of tasks, 4; found 6"):
        make_config(None, **{"subset_size": 3, name: 6}).for_tasks(4)


def test_base_models_and_truth_never_share_a_seed():
    config = RunConfig(n_inits=1000)
    assert not set(config.init_seeds) & set(config.truth_seeds)


def test_a_stored_configuration_reads_back():
    config = make_config("paper", seed=4, threads=2)
    assert read_config(config.model_dump()) == config


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"n_inits": 0, "proxies_per_task": 0},
            r"`n_inits` and `proxies_per_task` must not both be 0; nothing would estimate",
        ),
        ({"n_inits": -1}, r"`n_inits`: .*greater than or equal to 0; found -1"),
        ({"proxies_per_task": -1}, r"`proxies_per_task`: .*greater than or equal to 0; found -1"),
        ({"proxy_width": 0}, r"`proxy_width`: .*greater than or equal to 1; found 0"),
        ({"memory": 0.0}, r"`memory`: .*greater than 0; found 0\.0"),
        ({"projection": "none"}, r"`projection`: .*'identity'; found 'none'"),
    ],
)
def test_what_small_models_and_memory_may_be(values, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        make_config(None, **values)


def test_either_source_of_estimates_may_be_left_out():
    assert make_config(None, n_inits=0).init_seeds == ()
    assert make_config(None, proxies_per_task=0).init_seeds == (0,)
    assert make_config("paper").proxies_per_task == 0  # the paper has gradients alone


@pytest.mark.parametrize(
    ("width", "proxy_width", "expected"),
    [(64, None, 16), (256, None, 64), (24, None, 16), (8, None, 8), (64, 5, 5), (8, 32, 32)],
)
def test_small_models_have_a_quarter_of_the_width_unless_it_is_given(width, proxy_width, expected):
    assert make_config(None, width=width, proxy_width=proxy_width).for_tasks(8).proxy_width == expected


def test_small_models_share_their_seeds_with_nothing():
    config = RunConfig(n_inits=1000, seed=5)
    seeds = range(config.proxy_seed, config.proxy_seed + 10**6)
    assert not any(seed in seeds for seed in (*config.init_seeds, *config.truth_seeds))
