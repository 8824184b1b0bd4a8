import json

import pytest

from pages.parts.groups_sweep import _sweeps

pytestmark = pytest.mark.usefixtures("asked")
MATRIX = b"task,a,b,c,d,e\na,1,9,0,0,4\nb,9,1,0,0,4\nc,0,0,1,9,0\nd,0,0,9,1,0\ne,4,4,0,0,1\n"


@pytest.fixture
def page(open_page, make_run):
    """The editor on a matrix whose two groups are `a b e` and `c d`."""
    make_run()
    page = open_page("groups")
    page.segmented_control(key="source").set_value("a CSV file").run()
    page.file_uploader[0].set_value(("matrix.csv", MATRIX, "text/csv")).run()
    assert not page.exception
    return page


def figures(page):
    return {metric.label: metric for metric in page.metric[3:]}


def edited(page):
    """The groups of the editor, as they are drawn."""
    return next(text.value for text in page.markdown if text.value.startswith("1. "))


def chosen(page, prefix):
    return next(box for box in page.selectbox if box.key and box.key.startswith(prefix))


def click(page, key):
    page.button(key=key).click().run()
    assert not page.exception
    assert not page.error
    return page


def move(page, task, group):
    chosen(page, "edit_task").select(task).run()
    chosen(page, "edit_to").select(group).run()
    return click(page, "edit_apply")


def test_nothing_has_changed_at_first(page):
    assert all(page.button(key=f"edit_{key}").disabled for key in ("undo", "redo", "reset"))
    assert page.button(key="variant_save").disabled
    assert all(not metric.delta for metric in figures(page).values())


def test_a_move_changes_density_gap_and_predicted_scores_at_once(page):
    density, gap = (figures(page)[label].value for label in ("Density", "Gap to the bound"))
    move(page, "e", 1)
    found = figures(page)
    assert float(found["Density"].value) < float(density)
    assert found["Density"].delta.startswith("-")
    assert found["Gap to the bound"].value != gap
    assert found["Gap to the bound"].delta.startswith("+")
    tables = [table.value for table in page.table if "Change" in table.value]
    changes = tables[0]["Change"].astype(float)
    assert changes["e"] == pytest.approx(1 / 3 - 9 / 3, abs=1e-4)
    assert changes["a"] == pytest.approx(10 / 2 - 14 / 3, abs=1e-4)
    assert set(changes.index) == set("abcde")
    assert (found["Tasks that gain"].value, found["Tasks that lose"].value) == ("2", "3")
    assert ":orange-badge[e]" in edited(page)


def test_undo_redo_and_reset(page):
    before = edited(page)
    after = edited(move(page, "e", 1))
    assert edited(click(page, "edit_undo")) == before
    assert edited(click(page, "edit_redo")) == after
    assert edited(click(page, "edit_reset")) == before
    assert edited(click(page, "edit_undo")) == after


def test_the_best_move_is_offered_first_with_what_it_brings(page):
    chosen(page, "edit_task").select("e").run()
    assert "group of its own" in chosen(page, "edit_to").options[0]
    assert "(-" in chosen(page, "edit_to").options[0]


def test_groups_are_merged_and_split(page):
    page.segmented_control(key="edit_kind").set_value("Merge two groups").run()
    click(page, "edit_apply")
    assert figures(page)["Groups"].value == "1"
    assert any("There is only one group" in text.value for text in page.caption)
    page.segmented_control(key="edit_kind").set_value("Split a group").run()
    assert any("Splitting it changes the density by +" in text.value for text in page.caption)
    click(page, "edit_apply")
    assert figures(page)["Groups"].value == "2"
    assert not figures(page)["Density"].delta


def test_the_edits_of_another_k_are_kept_apart_and_found_again(page):
    edited_groups = edited(move(page, "e", 1))
    page.slider[0].set_value(3).run()
    assert page.button(key="edit_undo").disabled
    page.slider[0].set_value(2).run()
    assert edited(page) == edited_groups


def test_a_name_typed_just_before_the_button_counts(page):
    move(page, "e", 1)
    page.text_input[0].set_value("e with c")  # the field and the button reach the server together
    click(page, "variant_save")
    assert "e with c" in chosen(page, "start_").options


def test_a_variant_is_listed_beside_the_others_and_can_be_edited_and_deleted(page):
    move(page, "e", 1)
    page.text_input[0].set_value("e with c").run()
    click(page, "variant_save")
    chosen(page, "start_").select("e with c").run()
    assert not figures(page)["Density"].delta
    assert "`c` `d` `e`" in edited(page)
    page.session_state["panel"] = "Other groupings"
    page.run()
    lines = page.dataframe[0].value.set_index("Grouping")
    assert list(lines.index) == ["the solver's groups", "spectral clustering", "Lloyd's k-means", "e with c"]
    assert lines.loc["the solver's groups", "Adjusted Rand"] == 1
    assert lines.loc["e with c", "Adjusted Rand"] < 1
    assert lines.loc["e with c", "Tasks elsewhere"] == 1
    assert lines["Density"].idxmax() == "the solver's groups"
    assert any("Variants are kept" in text.value for text in page.caption)
    click(page, "drop_e with c")
    assert len(page.dataframe[0].value) == 3


def test_every_grouping_can_be_downloaded(page):
    page.session_state["panel"] = "Other groupings"
    page.run()
    names = [button.proto.label for button in page.get("download_button")]
    assert names.count("Groups (CSV)") == names.count("Groups (JSON)") == 4


def test_an_edit_that_breaks_a_constraint_says_so(page):
    links = next(button for button in page.button if button.label == "Add this pair")
    links.click().run()
    assert any("a with b" in text.value for text in page.caption)
    move(page, "a", 1)
    assert "a and b must share a group" in page.warning[0].value


def test_constraints_that_conflict_are_named(page):
    chosen(page, "link_how").select("do not share a group").run()
    next(button for button in page.button if button.label == "Add this pair").click().run()
    chosen(page, "link_how").select("share a group").run()
    next(button for button in page.button if button.label == "Add this pair").click().run()
    assert not page.exception
    assert "No grouping satisfies all of: `must_link` a,b, `cannot_link` a,b" in page.error[0].value
    click(page, "forget_constraints")
    assert "a with b" not in str(page.caption)


def test_sizes_and_costs_bind(page):
    numbers = {box.label: box for box in page.number_input}
    numbers["Smallest group"].set_value(2).run()
    numbers = {box.label: box for box in page.number_input}
    numbers["Most a group may cost"].set_value(3.0).run()
    assert not page.error
    assert any("at least 2 tasks in a group; a group costs at most 3" in text.value for text in page.caption)
    numbers = {box.label: box for box in page.number_input}
    numbers["Most a group may cost"].set_value(1.0).run()
    assert "`max_group_cost` = 1" in page.error[0].value


def test_a_method_that_knows_no_constraints_says_so(page):
    page.selectbox(key="method").select("spectral").run()
    {box.label: box for box in page.number_input}["Largest group"].set_value(3).run()
    assert "knows no constraints" in page.error[0].value


def test_the_number_of_groups_of_a_matrix_is_suggested_with_a_reason(page, asked):
    page.session_state["panel"] = "How many groups"
    page.run()
    click(page, "sweep")
    key, work = next(job for job in asked if job[0][1] is False)
    _sweeps().result(key, work)
    page.run()
    assert not page.exception
    assert any(text.value.startswith("**Suggested:** k = ") for text in page.markdown)
    table = page.dataframe[0].value
    assert list(table.columns) == ["k", "Density", "Gap", "Lead", "Shuffled"]
    figure = json.loads(page.get("plotly_chart")[-1].proto.spec)
    assert figure["data"][0]["name"] == "gap (%)"
