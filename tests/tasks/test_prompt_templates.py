"""Prompt templates: both forms, the order of answers, and that a template can do nothing but hold texts."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.prompt_templates import PromptTemplate, read_templates

Write = Callable[..., Path]
FIELDS = {"text1": "All cats sleep.", "text2": "Some cats sleep.", "word": "cats"}


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Write:
    """Writes a file in a folder of its own: Hypothesis runs one test body many times."""

    def written(content: bytes | str, name: str = "t.yaml") -> Path:
        path = tmp_path_factory.mktemp("templates") / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


def own(prompt: str, choices: str = "[no, yes]", name: str = "one") -> str:
    """A file of our own form with one template."""
    quoted = prompt.replace("'", "''")
    return f"- name: {name}\n  prompt: '{quoted}'\n  choices: {choices}\n"


def public(jinja: str, choices: str = "'yes ||| no'", data_set: tuple[str, str] = ("glue", "rte")) -> str:
    """A file of PromptSource's form with one template."""
    return f"""dataset: {data_set[0]}
subset: {data_set[1]}
templates:
  03a7: !Template
    answer_choices: {choices}
    id: 03a7
    jinja: '{jinja.replace("'", "''")}'
    metadata: !TemplateMetadata
      choices_in_prompt: true
      languages:
      - en
    name: one
    reference: ''
"""


TARGET = "||| {{answer_choices[label]}}"

RENDERED = [
    (own("{{text1}} So {{text2}}?"), "All cats sleep. So Some cats sleep.?"),
    (own(" {{ text1 }}\n\n {{text2|lower}} {# a note #}"), "All cats sleep.\nsome cats sleep."),
    (own("{{text1}}{{text2}} {no} {{'{{'}} 50%"), "All cats sleep.Some cats sleep. {no} {{ 50%"),
    (own("{% if word == 'cats' and word in text1 %}{{text1}}{% else %}{{text2}}{% endif %}"), "All cats sleep."),
    (own("{{text1|upper}} {{answer_choices[0]}} or {{answer_choices[1]}}?"), "ALL CATS SLEEP. no or yes?"),
    (public('{{text1}} {{"A) yes or B) no."}}\n\n  ' + TARGET), "All cats sleep. A) yes or B) no."),
    (public("{{text2}} {{answer_choices[0]}} or {{answer_choices[1]}} " + TARGET), "Some cats sleep. yes or no"),
    (public("{{word}}||| {% if label != -1 %}{{ answer_choices[label] }}{% endif %}"), "cats"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "expected"), RENDERED)
def test_a_prompt_is_what_it_says(write: Write, content: str, expected: str) -> None:
    (template,) = read_templates(write(content))
    assert template.render(FIELDS) == expected


def test_what_a_text_holds_is_never_read_as_a_template(write: Write) -> None:
    hostile = "{{text2}} ||| {% for %} {{7 * 7}}"
    for content in (own("{{text1}}"), public("{{text1}}" + TARGET)):
        (template,) = read_templates(write(content))
        assert template.render({"text1": hostile}) == hostile


def test_answers_stand_by_label_in_both_forms(write: Write) -> None:
    def choices(content: str) -> tuple[str, str]:
        (template,) = read_templates(write(content))
        return template.choices

    assert choices(own("x", "[no, yes]")) == ("no", "yes")
    assert choices(own("x", '["0", 1]')) == ("0", "1")
    # In RTE, 0 is entailment: `yes` belongs to our 1. In WiC, 1 is the same meaning.
    assert choices(public("x" + TARGET, "yes ||| no")) == ("no", "yes")
    assert choices(public("x" + TARGET, "yes ||| no", ("super_glue", "rte"))) == ("no", "yes")
    assert choices(public("x" + TARGET, "No ||| Yes", ("super_glue", "wic"))) == ("No", "Yes")
    assert choices(public("x" + TARGET, "not equivalent ||| equivalent", ("glue", "mrpc"))) == (
        "not equivalent", "equivalent",
    )  # fmt: skip


def test_reversed_labels_are_told(write: Write) -> None:
    found = [
        read_templates(write(content))[0].reversed_labels
        for content in (own("x"), public("x" + TARGET), public("x" + TARGET, data_set=("super_glue", "wic")))
    ]
    assert found == [False, True, False]


def test_several_files_are_one_list_of_different_names(write: Write) -> None:
    first, second = write(own("a", name="first"), "a.yaml"), write(own("b", name="second"), "b.yaml")
    assert [template.name for template in read_templates([first, second])] == ["first", "second"]
    with pytest.raises(
        InvalidInput, match=r"`a.yaml`, line 1, template `first`: names of templates must differ"
    ):
        read_templates([first, second, first])
    with pytest.raises(InvalidInput, match="`templates` must be one or more YAML files; found none"):
        read_templates([])


def test_the_name_and_the_line_of_a_template_are_told(write: Write) -> None:
    path = write(own("{{text1}}") + own("{{text1 }", name="broken"))
    with pytest.raises(
        InvalidInput, match=r"^`t.yaml`, line 4, template `broken`: the text must be a Jinja template"
    ):
        read_templates(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "must be a list of templates with `name`, `prompt`, `choices`, or a PromptSource file"),
        ("[]", "must be a list of templates"),
        ("a: b", "must be a list of templates"),
        ("templates: {}", "must be a list of templates"),
        ("- text", "line 1: there must be names and values here"),
        ("- name: a\n", "line 1: a template must hold .*; found no `prompt`, `choices`"),
        (own("x") + "  more: y\n", "a template holds `name`, `prompt`, `choices`; found `more` too"),
        (own("x", name="''"), "`name` must be 1 to 200 printable characters"),
        (own("x", "yes"), r"`choices` must be a list of two answers, such as \[no, yes\]"),
        (own("x", "[[a], b]"), "`choices` must be a list of two answers"),
        (own("x", "[a]"), "there must be two choices, one for each label; found 1"),
        (own("x", "[a, b, c]"), "found 3"),
        (own("x", "[a, '']"), "a choice must be 1 to 100 printable characters"),
        (own("x", "[a, '{{text1}}']"), "the same for every example; found `{{text1}}`"),
        (own("x", "[yes, ' Yes ']"), "the two choices must differ; found `yes` and `Yes`"),
        (public("x", "yes"), "there must be two choices"),
        (public("x"), r"`jinja` must hold `\|\|\|` once, .*; found it 0 times"),
        (public("x ||| y ||| z"), "found it 2 times"),
        (public("x ||| {{text2}}"), r"the part after `\|\|\|` must be `{{answer_choices\[label\]}}`"),
        (public("x ||| {{answer_choices[1]}}"), r"the part after `\|\|\|` must be"),
        (public("x ||| {{answer_choices[label]}} it is"), r"the part after `\|\|\|` must be"),
        (public("{% if label == 1 %} a " + TARGET + "{% endif %}"), "the text must be a Jinja template"),
        (public("x" + TARGET, data_set=("glue", "mnli")), "whose order is known, .*; found `glue/mnli`"),
        (public("x" + TARGET, "a ||| b ||| c"), "found 3"),
    ],
)  # fmt: skip
def test_a_broken_file_is_one_sentence(write: Write, content: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as raised:
        read_templates(write(content))
    assert "\n" not in str(raised.value) and "`t.yaml`" in str(raised.value)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("{% for a in text1 %}x{% endfor %}", "found `For` in line 1"),
        ("{% set a = text1 %}{{a}}", "found `Assign`"),
        ("{% macro m() %}{% endmacro %}", "found `Macro`"),
        ("{% include 'a' %}", "found `Include`"),
        ("{{ text1 * 10**9 }}", "found `Mul`"),
        ("\n{{ text1.upper() }}", "found `Call` in line 2"),
        ("{{ text1.__class__ }}", "found `Getattr`"),
        ("{{ text1['__class__'] }}", "found `Getitem`"),
        ("{{ answer_choices['count'] }}", "found `Getitem`"),
        ("{{ text1|replace('a', 'aa') }}", "found the filter `replace`"),
        ("{{ text1|attr('x') }}", "found the filter `attr`"),
        ("{{ text1|trim('x') }}", "found the filter `trim`"),
        ("{{ text1|nofilter }}", "found the filter `nofilter`"),
        ("{{ answer_choices[2] }}", "must be a Jinja template; found that"),
        ("{{ 'a' < 1 }}", "must be a Jinja template; found that"),
        ("{{ -'a' }}", "must be a Jinja template; found that"),
        ("{{ " + "9" * 5000 + " }}", "must be a Jinja template; found that"),
        ("{{ " + "(" * 1500, "must be a Jinja template; found that"),
        ("{% if text1 %}" * 150 + "{% endif %}" * 150, "must be a Jinja template; found that"),
        ("{{ '\\ud800' }}", r"must be printable; found the character '\\ud800'"),
        ("{% if text1 == 'z' %}{{ '\\0' }}{% endif %}", r"must be printable; found the character '\\x00'"),
    ],
)  # fmt: skip
def test_a_template_can_do_nothing_but_hold_texts(write: Write, prompt: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as raised:
        read_templates(write("- name: one\n  choices: [no, yes]\n  prompt: |2\n" + "".join(
            f"    {line}\n" for line in prompt.split("\n")
        )))  # fmt: skip
    assert "`t.yaml`, line 1, template `one`" in str(raised.value)


def one(write: Write, prompt: str) -> PromptTemplate:
    (template,) = read_templates(write(own(prompt)))
    return template


def test_placeholders_are_checked_against_the_columns(write: Write) -> None:
    known = ("text1", "sentence1", "text2", "sentence2")
    each = (("text1", "sentence1"), ("text2", "sentence2"))
    one(write, "{{sentence1}} {{text2}} {{answer_choices[0]}}").require_fields(known, each)
    for prompt, message in (
        (
            "{{text1}} {{text2}} {{sentense2}}",
            "template `one`: a placeholder must be one of `text1`, `sentence1`, `text2`, `sentence2`; "
            r"found `sentense2`. Did you mean `sentence2`\?",
        ),
        ("{{text1}} {{text2}} {{label}}", "found `label`"),
        ("{{text1}} {{text2}} {{range}}", "found `range`"),
        ("{{text1}} {text2}", "the prompt must hold both texts; found no `{{text2}}`"),
    ):
        with pytest.raises(InvalidInput, match=message):
            one(write, prompt).require_fields(known, each)


def test_what_fails_with_some_texts_alone_is_told(write: Write) -> None:
    template = one(write, "{% if text1 == 'bad' %}{{ -text1 }}{% endif %}{{text2}}")
    assert template.render(FIELDS) == "Some cats sleep."
    with pytest.raises(InvalidInput, match="template `one`: the prompt must render; found that bad operand"):
        template.render(FIELDS | {"text1": "bad"})


JINJA = st.text("{}%|-# .'\"()[]+*~=<text12ifendforlabel_answer_choices", max_size=40)


@given(prompt=JINJA)
@example(prompt="{{text1[0]}}")
@example(prompt="{% raw %}{{{% endraw %}")
@example(prompt="{{text1 is defined}}")
def test_no_template_crashes_the_reader(write: Write, prompt: str) -> None:
    try:
        (template,) = read_templates(write(own(prompt)))
        template.require_fields(tuple(FIELDS), ())
        text = template.render(FIELDS)
    except InvalidInput as error:
        assert "\n" not in str(error)
    else:
        assert len(text) <= 20 * len(prompt) + 20


@given(content=st.binary(max_size=80) | st.text("- namepromtchis:[]'{}!T\n", max_size=80).map(str.encode))
def test_no_content_crashes_the_reader(write: Write, content: bytes) -> None:
    try:
        read_templates(write(content))
    except InvalidInput as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    "prompt",
    ["{{text1}}{{text2}}" * 14_000, "{% if text1 %}a" + "{% elif text2 %}b" * 13_000 + "{% endif %}",
    "{{text1" + "<1" * 90_000 + "}}"],
)  # fmt: skip
def test_no_template_takes_seconds_or_ends_the_compiler(write: Write, prompt: str) -> None:
    path = write(f"- name: one\n  choices: [no, yes]\n  prompt: '{prompt}'\n")
    with pytest.raises(InvalidInput, match="at most 2,000 placeholders, words and marks"):
        read_templates(path)


def test_all_templates_of_a_file_share_a_limit(write: Write) -> None:
    one = "{name}\n  choices: [no, yes]\n  prompt: '{prompt}'\n"
    texts = [one.format(name=f"- name: {number}", prompt="{{text1}} " * 450) for number in range(15)]
    assert len(read_templates(write("".join(texts[:10])))) == 10
    with pytest.raises(InvalidInput, match=r"template `1\d`: .* and those of a file 20,000; found more"):
        read_templates(write("".join(texts)))
