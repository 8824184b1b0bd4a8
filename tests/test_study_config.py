import pytest

from gradtag_core.config import RunConfig, knob_facts
from gradtag_core.errors import InvalidInput
from gradtag_core.study_config import StudyConfig, difference, make_study_config


def test_every_knob_explains_itself():
    for name, field in StudyConfig.model_fields.items():
        assert field.title and field.description and field.description.endswith((".", ").")), name
        assert set(knob_facts(StudyConfig, name)) == {"symbol", "paper", "stage"}


def test_shared_knobs_are_those_of_a_run():
    for name in ("suite", "n_tasks", "width", "epochs", "learning_rate", "batch_size", "weighting", "metric"):
        own, theirs = StudyConfig.model_fields[name], RunConfig.model_fields[name]
        assert (own.description, own.default, own.metadata) == (
            theirs.description,
            theirs.default,
            theirs.metadata,
        )


@pytest.mark.parametrize("methods", ["tag, hoa,tag", ["tag", "hoa"], ("tag", "hoa")])
def test_methods_are_listed_in_any_way(methods):
    assert make_study_config(methods=methods).methods == ("tag", "hoa")
    assert make_study_config(methods="").methods is None


def test_a_configuration_survives_its_json_form():
    config = make_study_config(suite="digits", methods="tag", seeds=2, search_limit=5.0)
    assert make_study_config(**config.model_dump(mode="json")) == config
    assert config.all_seeds == (0, 1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seeds": 0}, "`seeds`.*found 0"),
        ({"search_limit": -1.0}, r"`search_limit`.*found -1\.0"),
        ({"n_inits": 3}, "`n_inits` is not a parameter here; the parameters are `suite`"),
        ({"methods": 3}, "`methods`.*found 3"),
        ({"methods": [{"tag": 1}]}, "`methods"),
        ({"metric": "recall"}, "`metric`.*found 'recall'"),
    ],
)
def test_a_broken_rule_is_named(values, message):
    with pytest.raises(InvalidInput, match=message):
        make_study_config(**values)


def test_the_first_difference_is_named():
    stored = make_study_config(suite="digits", seeds=2)
    assert difference(stored) is None
    assert difference(stored, suite="digits", seeds=2, width=None) is None
    assert difference(stored, suite="digits", seeds=3) == "`seeds` must be that of the study, 2; found 3."
    assert (
        difference(stored, methods="tag,hoa") == "`methods` must be that of the study, empty; found tag,hoa."
    )
