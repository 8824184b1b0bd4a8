import pytest

from gradtag_core.config import PRESETS, RunConfig, make_config
from pages.parts import knobs

TYPED = ("number_input", "selectbox", "toggle", "text_input")


def widget(app, name):
    """The widget of a knob, whatever its kind."""
    return next(found for kind in TYPED for found in getattr(app, kind) if found.key == f"knob_{name}")


def launch_button(app):
    return next(button for button in app.button if button.label == "Launch")


@pytest.fixture
def page(open_page):
    return open_page("estimate")


def test_every_parameter_has_a_widget_with_its_help_and_default(page):
    keys = {found.key for kind in TYPED for found in getattr(page, kind)}
    assert not keys & {f"knob_{name}" for name in knobs.TRANSFORMER}
    widget(page, "model").select("transformer").run()
    for name, field in RunConfig.model_fields.items():
        found = widget(page, name)
        assert found.help.startswith(field.description)
        assert found.value == ("transformer" if name == "model" else field.default)
    assert "Symbol: α." in widget(page, "subset_size").help
    assert "section 5.2.2" in widget(page, "subset_size").help


def test_the_defaults_can_be_launched_and_the_command_says_so(page):
    assert not launch_button(page).disabled
    assert page.code[0].value == "python -m gradtag_core run --suite yeast"
    assert not page.error


def test_a_preset_fills_the_knobs_and_keeps_the_data_set(page):
    widget(page, "suite").select("digits").run()
    for preset in PRESETS:
        page.segmented_control(key="preset").set_value(preset).run()
        values = make_config(preset).model_dump()
        assert widget(page, "suite").value == "digits"
        for name in (*PRESETS[preset], "n_inits", "proxies_per_task", "width", "epochs"):
            assert widget(page, name).value == values[name]


def test_a_changed_knob_makes_the_preset_custom(page):
    page.segmented_control(key="preset").set_value("quick").run()
    widget(page, "proj_dim").set_value(64).run()
    assert page.segmented_control(key="preset").value == knobs.CUSTOM
    assert widget(page, "subset_size").value == PRESETS["quick"]["subset_size"]


BAD = (
    ("subset_size", 40, "`subset_size` must be at most the number of tasks, 14; found 40."),
    ("n_groups", 15, "`n_groups` must be at most the number of tasks, 14; found 15."),
    ("n_tasks", 99, "`n_tasks` must be between 1 and the 14 tasks of `yeast`; found 99."),
    ("n_subsets", 5, "`n_subsets` must be large enough for every pair of tasks to meet"),
    ("proj_dim", 0, "`proj_dim`: input should be greater than or equal to 1; found 0."),
    ("l2", 0.0, "`l2`: input should be greater than 0; found 0.0."),
)


def test_a_bad_value_shows_one_sentence_and_stops_the_launch(page):
    for name, value, sentence in BAD:
        before = widget(page, name).value
        widget(page, name).set_value(value).run()
        assert not page.exception
        (error,) = page.error
        assert error.value.startswith(sentence)
        assert launch_button(page).disabled
        assert not page.code
        widget(page, name).set_value(before).run()
        assert not page.error


def test_a_threshold_is_forgotten_when_another_rounding_is_chosen(page):
    widget(page, "rounding").select("threshold").run()
    widget(page, "rounding_threshold").set_value(0.2).run()
    assert "--rounding-threshold 0.2" in page.code[0].value
    widget(page, "rounding").select("spectral").run()
    assert not page.error
    assert widget(page, "rounding_threshold").disabled


def test_the_forecast_stands_beside_full_training(page, make_run):
    make_run()
    page.run()
    compared, by_stage = (found.value.reset_index() for found in page.table[:2])
    assert list(compared.columns)[1:] == ["By this estimate", "By training each"]
    assert "unknown" not in compared.to_string()
    assert list(by_stage["Stage"])[:2] == ["Training base models", "Projecting gradients"]
    assert "measured on this machine" in " ".join(text.value for text in page.caption)


def test_knobs_survive_a_visit_to_another_page(page):
    widget(page, "proj_dim").set_value(77).run()
    page.switch_page("pages/runs.py").run()
    page.switch_page("pages/estimate.py").run()
    assert widget(page, "proj_dim").value == 77


def test_a_launched_run_stays_in_sight_while_knobs_change(page, store, monkeypatch):
    monkeypatch.setattr("pages.parts.state.launch", lambda store, run_id: None)
    widget(page, "n_inits").set_value(2).run()
    launch_button(page).click().run()
    (row,) = store.list()
    assert row.config["n_inits"] == 2
    assert page.query_params["run"] == row.id
    widget(page, "proj_dim").set_value(50).run()
    assert page.get("progress")
    store.request_cancel(row.id)
    page.run()
    assert [button.label for button in page.button] == ["Reset", "Launch", "Resume"]


def stages(page):
    return page.table[1].value.reset_index()


def test_each_stage_says_how_many_of_its_units_are_kept(page, store):
    from gradtag_core.runs.kept import plan_units
    from gradtag_core.runs.start import load_plan

    widget(page, "n_inits").set_value(2).run()
    assert dict(zip(stages(page)["Stage"], stages(page)["Kept"], strict=True)) == {
        "Training base models": "0 of 2",
        "Projecting gradients": "0 of 2",
        "Estimating subsets": "0 of 2",
        "Training small models": "0 of 137",
        "Training the groups": "unknown",
    }
    units = plan_units(load_plan(make_config(None, n_inits=2))).stages
    for unit in (*units["train"], units["featurize"][0]):
        path = store.cache.path(unit.folder, unit.key, unit.suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    page.run()
    assert list(stages(page)["Kept"])[:3] == ["all 2", "1 of 2", "0 of 2"]
    assert stages(page)["Work left"].iloc[0] == "none"
    assert any("Without what is kept it would be" in text.value for text in page.caption)
    widget(page, "base_epochs").set_value(7).run()
    assert list(stages(page)["Kept"])[:3] == ["0 of 2"] * 3


def test_what_differs_from_the_preset_is_one_line_with_a_way_back(page):
    def line():
        return next((text.value for text in page.caption if "differ" in text.value), "")

    page.segmented_control(key="preset").set_value("quick").run()
    assert not line()
    assert any(
        "It sets Projected dimension (d) 100, Subset size (α) 4" in text.value for text in page.caption
    )
    widget(page, "proj_dim").set_value(64).run()
    assert line() == "1 knob differs from “quick”: Projected dimension (d) 64 (was 100)."
    widget(page, "pairwise").set_value(True).run()
    widget(page, "seed").set_value(5).run()  # no preset says which
    assert line().startswith("2 knobs differ from “quick”: ") and "Pairs only on (was off)" in line()
    page.button(key="reset_knobs").click().run()
    assert not line() and not page.exception
    assert page.segmented_control(key="preset").value == "quick"
    assert (widget(page, "proj_dim").value, widget(page, "pairwise").value) == (100, False)
    assert widget(page, "seed").value == 5
