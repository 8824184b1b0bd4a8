"""Affinity matrices on the Data page, which the Groups page takes over."""


def test_an_affinity_matrix_is_previewed_and_opens_in_groups(open_page):
    page = open_page("data")
    page.segmented_control(key="view").set_value("Add your own").run()
    page.segmented_control(key="kind").set_value("Affinity matrix").run()
    page.file_uploader[0].set_value(("m.csv", b"task,a,b\na,1,much\nb,9,1\n", "text/csv")).run()
    assert "Line 2, column 3: expected a number; found `much`." in page.error[0].value
    page.file_uploader[0].set_value(("m.csv", b"task,a,b,c\na,1,9,0\nb,9,1,0\nc,0,0,1\n", "text/csv")).run()
    assert not page.error
    assert len(page.get("plotly_chart")) == 1
    page.query_params["source"] = "a CSV file"
    page.switch_page("pages/groups.py").run()
    assert not page.exception
    assert list(page.table[0].value["Tasks"]) == ["`a` `b`", "`c`"]
    next(button for button in page.button if button.label == "Forget it").click().run()
    assert not page.table
