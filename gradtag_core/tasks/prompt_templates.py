"""Prompt templates in YAML: of a simple form of our own, or of PromptSource (Bach et al., ACL 2022)."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import yaml
from jinja2 import StrictUndefined, Template, TemplateError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.tasks.table_file import MAX_NAME, shown
from gradtag_core.tasks.yaml_nodes import MAX_BYTES, line_of, mapping, read_nodes, scalar

MAX_ANSWER = 100  # characters
# Placeholders, words, marks and texts: Jinja takes seconds for what 256 KB can hold of them, and Python's compiler ends
# the process at conditions nested too deeply.
MAX_TOKENS_OF_PROMPT, MAX_TOKENS_OF_FILE = 2_000, 20_000
BAR = "|||"  # PromptSource's, between a prompt and its target, and between answers
OWN_KEYS = ("name", "prompt", "choices")
PUBLIC_KEYS = ("name", "jinja", "answer_choices")
FILTERS = frozenset({"lower", "upper", "capitalize", "title", "trim"})
# No loops, calls or arithmetic: what a template makes is never much longer than what it is given.
SYNTAX = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getitem, nodes.Filter, nodes.If,
    nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg,
)  # fmt: skip
POSITIVE_NUMBER = {
    "glue/rte": 0, "glue/qnli": 0, "glue/wnli": 1, "glue/mrpc": 1, "glue/qqp": 1,
    "super_glue/rte": 0, "super_glue/wic": 1, "super_glue/boolq": 1,
}  # fmt: skip
"""The number that a public data set gives its positive class: 0 where its classes are entailment, not_entailment."""
# What jinja's parser and compiler, and expressions of `SYNTAX`, raise.
BROKEN = (TemplateError, TypeError, ValueError, AttributeError, RecursionError, SyntaxError)

ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
ENVIRONMENT.globals.clear()  # `range` and others, which would be no unknown placeholders


@dataclass(frozen=True)
class PromptTemplate:
    """One instruction: `render` makes the prompt, `choices` are the answers where the label is 0 and where it is 1.

    `place` is where the template stands, to begin a sentence with. `reversed_labels`: whether the data set that it
    was written for numbers its positive class 0.
    """

    name: str
    choices: tuple[str, str]
    place: str
    prompt: Template
    fields: frozenset[str]
    reversed_labels: bool = False

    def require_fields(self, known: Collection[str], each_of: Sequence[Collection[str]]) -> None:
        """Every placeholder must be known, and one of each of some collections be used."""
        for field in sorted(self.fields - set(known)):
            close = get_close_matches(field, known, n=1)
            hint = f" Did you mean `{close[0]}`?" if close else ""
            raise InvalidInput(
                f"{self.place}: a placeholder must be one of {quoted(tuple(known), limit=12)}; found "
                f"`{shown(field)}`.{hint}"
            )
        for names in each_of:
            if not self.fields & set(names):
                first = next(iter(names))
                raise InvalidInput(
                    f"{self.place}: the prompt must hold both texts; found no `{{{{{first}}}}}`. Add it."
                )

    def render(self, fields: Mapping[str, str]) -> str:
        """The prompt for one example, without white space around it."""
        try:
            return self.prompt.render(fields).strip()
        except BROKEN as error:
            raise InvalidInput(
                f"{self.place}: the prompt must render; found that {_first_line(error)}."
            ) from error


def read_templates(
    source: Path | str | Sequence[Path | str], *, max_bytes: int = MAX_BYTES
) -> tuple[PromptTemplate, ...]:
    """The templates of one or more YAML files, in their order; names must differ.

    Our own form is a list of `name`, `prompt` and `choices`, the answers where the label is 0 and where it is 1.
    PromptSource's is recognised by its key `templates`; its answers are put into the same order by `POSITIVE_NUMBER`.
    In both, a prompt is a Jinja text with placeholders such as `{{text1}}`, and may hold conditions and simple
    filters. Anything else is an `InvalidInput` that names file, line and template; no tag or alias is followed.
    """
    paths = [source] if isinstance(source, str | Path) else source
    if not paths:
        raise InvalidInput("`templates` must be one or more YAML files; found none.")
    found: dict[str, PromptTemplate] = {}
    for path in map(Path, paths):
        for template in _of_file(path, max_bytes):
            if template.name in found:
                raise InvalidInput(
                    f"{template.place}: names of templates must differ; found it a second time, after "
                    f"{found[template.name].place}."
                )
            found[template.name] = template
    return tuple(found.values())


def _of_file(path: Path, max_bytes: int) -> Iterator[PromptTemplate]:
    root, budget = read_nodes(path, max_bytes), _Budget()
    if isinstance(root, yaml.SequenceNode) and root.value:
        for node in root.value:
            yield _own(path, node, budget)
        return
    entries = mapping(path, root) if isinstance(root, yaml.MappingNode) else {}
    templates = mapping(path, entries["templates"]) if "templates" in entries else {}
    if not templates:
        raise InvalidInput(
            f"`{path.name}` must be a list of templates with {quoted(OWN_KEYS)}, or a PromptSource file with "
            "`templates`; found neither. See `sample_data/instructions/README.md`."
        )
    data_set = "/".join(scalar(path, entries, key) for key in ("dataset", "subset") if key in entries)
    if data_set not in POSITIVE_NUMBER:
        raise InvalidInput(
            f"`{path.name}` must be for a data set of two classes whose order is known, one of "
            f"{quoted(tuple(POSITIVE_NUMBER), limit=len(POSITIVE_NUMBER))}; found `{shown(data_set)}`. Write the "
            "templates in the form of `sample_data/instructions/README.md`, which states the order."
        )
    for node in templates.values():
        yield _public(path, node, budget, reversed_labels=POSITIVE_NUMBER[data_set] == 0)


class _Budget:
    """What the templates of a file may still hold."""

    def __init__(self) -> None:
        self.n_tokens = MAX_TOKENS_OF_FILE

    def spend(self, place: str, source: str) -> None:
        n_left = max(0, self.n_tokens - MAX_TOKENS_OF_PROMPT)
        for _ in ENVIRONMENT.lex(source):
            self.n_tokens -= 1
            if self.n_tokens < n_left or self.n_tokens < 0:
                raise InvalidInput(
                    f"{place}: a text may hold at most {MAX_TOKENS_OF_PROMPT:,} placeholders, words and marks between "
                    f"braces, and those of a file {MAX_TOKENS_OF_FILE:,}; found more."
                )


def _own(path: Path, node: yaml.Node, budget: _Budget) -> PromptTemplate:
    entries = mapping(path, node)
    name, place = _named(path, node, entries, OWN_KEYS)
    unknown = [key for key in entries if key not in OWN_KEYS]
    if unknown:
        raise InvalidInput(f"{place}: a template holds {quoted(OWN_KEYS)}; found {quoted(unknown)} too.")
    answers = entries["choices"]
    if not isinstance(answers, yaml.SequenceNode) or not all(
        isinstance(answer, yaml.ScalarNode) for answer in answers.value
    ):
        raise InvalidInput(f"{place}: `choices` must be a list of two answers, such as [no, yes].")
    choices = _two_answers(place, [answer.value for answer in answers.value])
    prompt, fields = _compiled(place, scalar(path, entries, "prompt"), choices, budget)
    return PromptTemplate(name, choices, place, prompt, fields)


def _public(path: Path, node: yaml.Node, budget: _Budget, *, reversed_labels: bool) -> PromptTemplate:
    entries = mapping(path, node)
    name, place = _named(path, node, entries, PUBLIC_KEYS)
    answers = _two_answers(place, scalar(path, entries, "answer_choices").split(BAR))
    parts = scalar(path, entries, "jinja").split(BAR)
    if len(parts) != 2:
        raise InvalidInput(
            f"{place}: `jinja` must hold `{BAR}` once, between prompt and target; found it {len(parts) - 1} times."
        )
    prompt, fields = _compiled(place, parts[0], answers, budget)
    target, more = _compiled(place, parts[1], answers, budget)
    if not more <= {"label"} or [_answer(place, target, label) for label in (0, 1)] != [*answers]:
        raise InvalidInput(f"{place}: the part after `{BAR}` must be `{{{{answer_choices[label]}}}}`.")
    choices = (answers[1], answers[0]) if reversed_labels else answers
    return PromptTemplate(name, choices, place, prompt, fields, reversed_labels)


def _answer(place: str, target: Template, label: int) -> str:
    try:
        return target.render(label=label).strip()
    except BROKEN as error:
        raise InvalidInput(f"{place}: the target must render; found that {_first_line(error)}.") from error


def _two_answers(place: str, found: Sequence[str]) -> tuple[str, str]:
    answers = [answer.strip() for answer in found]
    if len(answers) != 2:
        raise InvalidInput(f"{place}: there must be two choices, one for each label; found {len(answers)}.")
    for answer in answers:
        if not 1 <= len(answer) <= MAX_ANSWER or not answer.isprintable() or "{{" in answer or "{%" in answer:
            raise InvalidInput(
                f"{place}: a choice must be 1 to {MAX_ANSWER} printable characters, the same for every example; "
                f"found `{shown(answer)}`."
            )
    if answers[0].casefold() == answers[1].casefold():
        raise InvalidInput(f"{place}: the two choices must differ; found `{answers[0]}` and `{answers[1]}`.")
    return answers[0], answers[1]


def _compiled(
    place: str, source: str, answers: tuple[str, str], budget: _Budget
) -> tuple[Template, frozenset[str]]:
    """A part of a template, ready to render, and the placeholders in it but `answer_choices`."""
    try:
        budget.spend(place, source)
        tree = ENVIRONMENT.parse(source)
        for node in tree.find_all(nodes.Node):
            _require_simple(place, node)
        fields = frozenset(meta.find_undeclared_variables(tree)) - {"answer_choices"}
        compiled = ENVIRONMENT.from_string(tree, globals={"answer_choices": answers})
        # An answer that is not there and the like: most of what can fail, fails without an example.
        compiled.render({field: 0 if field == "label" else "text" for field in fields})
    except InvalidInput:
        raise
    except BROKEN as error:
        raise InvalidInput(
            f"{place}: the text must be a Jinja template; found that {_first_line(error)}."
        ) from error
    return compiled, fields


def _require_simple(place: str, node: nodes.Node) -> None:
    text = getattr(node, "data", getattr(node, "value", ""))  # of what stands in the template itself
    odd = [one for one in str(text) if not (one.isprintable() or one.isspace())]
    if odd:
        raise InvalidInput(f"{place}: the text must be printable; found the character {odd[0]!a}.")
    is_wrong = (
        not isinstance(node, SYNTAX)
        or (isinstance(node, nodes.Filter) and (node.name not in FILTERS or bool(node.args)))
        or (isinstance(node, nodes.Getitem) and not _is_answer(node))
    )
    if is_wrong:
        found = f"the filter `{node.name}`" if isinstance(node, nodes.Filter) else f"`{type(node).__name__}`"
        raise InvalidInput(
            f"{place}: a template may hold placeholders, texts, conditions, `answer_choices[…]` and the filters "
            f"{quoted(sorted(FILTERS))}, no more; found {found} in line {node.lineno} of it."
        )


def _is_answer(node: nodes.Getitem) -> bool:
    number = node.arg
    is_number = isinstance(number, nodes.Const) and isinstance(number.value, int)
    is_label = isinstance(number, nodes.Name) and number.name == "label"
    return (
        isinstance(node.node, nodes.Name) and node.node.name == "answer_choices" and (is_number or is_label)
    )


def _named(
    path: Path, node: yaml.Node, entries: Mapping[str, yaml.Node], keys: Sequence[str]
) -> tuple[str, str]:
    """The name of a template, and where it stands; it must have all keys."""
    place = line_of(path, node)
    missing = [key for key in keys if key not in entries]
    if missing:
        raise InvalidInput(
            f"{place}: a template must hold {quoted(tuple(keys))}; found no {quoted(missing)}."
        )
    name = scalar(path, entries, "name").strip()
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise InvalidInput(
            f"{place}: `name` must be 1 to {MAX_NAME} printable characters; found `{shown(name)}`."
        )
    return name, f"{place}, template `{shown(name)}`"


def _first_line(error: BaseException) -> str:
    return shown(str(error).partition("\n")[0]) or type(error).__name__
