"""Sweeps as users write them: which knobs, which values, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.config import RunConfig, make_config
from gradtag_core.errors import InvalidInput
from gradtag_core.sweep_config import (
    FIXED,
    MOST_CELLS,
    SWEEPABLE,
    cell_config,
    choices,
    make_sweep_config,
    parse_values,
    parse_vary,
    read_sweep_config,
    suggested_values,
    value_text,
)

BASE = make_config("quick", suite="digits", seed=3)


def test_every_knob_but_the_data_the_files_and_the_machine_can_vary():
    assert {*SWEEPABLE, *FIXED} == set(RunConfig.model_fields)
    assert {"seed", "n_tasks", "metric", "l2", "pairwise", "projection", "truth"} <= set(SWEEPABLE)


def test_cells_are_all_combinations_with_the_last_knob_fastest():
    config = make_sweep_config(BASE, {"proj_dim": (50, 100), "n_inits": (1, 2, 3)})
    cells = list(config.cells())
    assert config.shape == (2, 3) and config.n_cells == len(cells) == 6
    assert [values for values, _ in cells][:4] == [
        {"proj_dim": 50, "n_inits": 1}, {"proj_dim": 50, "n_inits": 2}, {"proj_dim": 50, "n_inits": 3},
        {"proj_dim": 100, "n_inits": 1},
    ]  # fmt: skip
    for values, own in cells:
        assert own == BASE.model_copy(update=values)


def test_a_threshold_asks_for_its_rounding_unless_that_varies_too():
    assert cell_config(BASE, {"rounding_threshold": 0.2}).rounding == "threshold"
    assert cell_config(BASE, {"rounding_threshold": None}).rounding == "spectral"
    with pytest.raises(InvalidInput, match="`rounding` = spectral"):
        make_sweep_config(BASE, {"rounding_threshold": (0.1,), "rounding": ("spectral", "threshold")})


@pytest.mark.parametrize(
    ("vary", "sentence"),
    [
        ({}, r"`vary` must name one or 2 knobs; found 0"),
        ({"seed": (1,), "l2": (1.0,), "width": (2,)}, r"`vary` must name one or 2 knobs; found 3"),
        ({"suite": ("yeast", "digits")}, r"`vary` must name knobs among `n_tasks`.*; found `suite`"),
        ({"seed": ()}, r"`seed` must have different values; found none"),
        ({"seed": (1, 2, 1)}, r"`seed` must have different values; found 1 twice"),
        ({"seed": (1,)}, r"`vary` must make 2 to 64 cells; found 1"),
        ({"seed": tuple(range(13)), "n_inits": tuple(range(1, 6))}, r"2 to 64 cells; found 65"),
        ({"seed": (1, 2), "proj_dim": (5, 0)}, r"`seed` = 1, `proj_dim` = 0 cannot be run: `proj_dim`: .*found 0"),
        ({"l2": (1e-3, -1.0)}, r"`l2` = -1 cannot be run: `l2`: input should be greater than 0; found -1"),
    ],
)  # fmt: skip
def test_what_is_no_sweep_is_refused_with_knob_and_value(vary, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        make_sweep_config(BASE, vary)
    assert MOST_CELLS == 64


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["proj_dim=50,100, 200"], {"proj_dim": (50, 100, 200)}),
        (["proj-dim=50", "n-inits=1,2"], {"proj_dim": (50,), "n_inits": (1, 2)}),
        (["l2=1e-5,0.1"], {"l2": (1e-5, 0.1)}),
        (["pairwise=true,false"], {"pairwise": (True, False)}),
        (["n_groups=automatic,3"], {"n_groups": (None, 3)}),
        (["projection=pca,sjlt"], {"projection": ("pca", "sjlt")}),
    ],
)
def test_texts_become_values_of_the_knobs_type(texts, expected):
    found = parse_vary(texts)
    assert found == expected
    assert all(type(a) is type(b) for name in found for a, b in zip(found[name], expected[name], strict=True))


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["proj_dim"], r"`vary` must be a knob and its values, as proj_dim=50,100,200; found 'proj_dim'"),
        (["seed=1", "seed=2"], r"`vary` must name each knob once; found `seed` twice"),
        (["dim=1"], r"`vary` must name knobs among .*found `dim`"),
        (["proj_dim=1,x"], r"`proj_dim`: .*valid integer.*found 'x'"),
        (["proj_dim=automatic"], r"`proj_dim`: .*found 'automatic'"),
        (["metric=auc,f2"], r"`metric`: .*found 'f2'"),
    ],
)
def test_texts_that_are_no_values_are_refused(texts, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        parse_vary(texts)


@given(st.lists(st.floats(1e-9, 1e6), min_size=1, max_size=5, unique=True))
def test_values_survive_the_way_through_a_command_line(values):
    assert parse_values("l2", ",".join(map(value_text, values))) == tuple(values)


def test_a_stored_sweep_reads_back():
    config = make_sweep_config(BASE, {"n_groups": (None, 2), "l2": (1e-5, 0.1)})
    assert read_sweep_config(config.to_json()) == config
    for vary in (None, {"seed": 3}):
        with pytest.raises(InvalidInput, match="`vary` must hold the values"):
            read_sweep_config({**BASE.model_dump(), "vary": vary})


@pytest.mark.parametrize("name", SWEEPABLE)
def test_suggested_values_surround_the_present_one_and_obey_its_rule(name):
    present = getattr(BASE.for_tasks(10).model_copy(update={"model": "cnn"}), name)
    found = suggested_values(name, present)
    if present is None:
        assert found == () or choices(name)
        return
    assert present in found and len(found) == len(set(found)) >= 2
    for value in found:
        if not (name == "rounding_threshold" or (name == "projection" and value == "identity")):
            assert getattr(cell_config(BASE, {name: value}), name) == value
