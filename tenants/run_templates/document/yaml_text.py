"""YAML in and out for configuration documents: only what JSON can say, and nothing that surprises.

The reader follows the YAML 1.2 core schema: `no` and dates stay text, `1e-3` is a number. The writer quotes
whatever YAML 1.1 would read differently, so that ZenML's own reader agrees with ours.
"""

import re
from typing import Any

import yaml

MAX_BYTES = 256 * 1024
MAX_DIGITS = 300
SHORT = 50_000
HALF = re.compile("[\ud800-\udfff]")
MAX_DEPTH, MAX_EVENTS = 60, 80_000
INDENT = 2
MAP, STR = "tag:yaml.org,2002:map", "tag:yaml.org,2002:str"
FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
CORE = [
    ("tag:yaml.org,2002:bool", re.compile(r"(true|True|TRUE|false|False|FALSE)\Z"), "tTfF"),
    ("tag:yaml.org,2002:null", re.compile(r"(~|null|Null|NULL|)\Z"), ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]+\Z"), "-+0123456789"),
    ("tag:yaml.org,2002:float", re.compile(rf"({FLOAT.pattern})\Z"), "-+.0123456789"),
]


class YamlError(ValueError):
    """Text that is not a configuration document; the message is for people."""


class _Loader(yaml.CSafeLoader):
    yaml_implicit_resolvers = {}


def check_events(text: str) -> None:
    """Refuse what would cost too much to read before it is read. Raises YamlError or yaml.YAMLError.

    Anchors and aliases can blow a few lines up to gigabytes, and no one needs them here.
    """
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
        _check_event(event)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise YamlError("The text is nested too deeply.")
        if count > MAX_EVENTS:
            raise YamlError("The text contains too many values.")


def _check_event(event: yaml.Event) -> None:
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        raise YamlError(_at("Anchors and aliases are not supported", event.start_mark))
    if getattr(event, "tag", None):
        raise YamlError(_at(f"The tag {event.tag[:80]} is not supported", event.start_mark))


def _at(sentence: str, mark: yaml.Mark | None) -> str:
    return f"{sentence} (line {mark.line + 1}, column {mark.column + 1})." if mark else f"{sentence}."


def _mapping(loader: _Loader, node: yaml.MappingNode):
    """A dict with text keys, each only once."""
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise YamlError(_at("Only text can be a key", key_node.start_mark))
        key = key_node.value
        if key in found:
            raise YamlError(_at(f"The key “{key[:80]}” appears twice", key_node.start_mark))
        found[key] = loader.construct_object(value_node, deep=True)
    return found


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    if len(node.value) > MAX_DIGITS:
        raise YamlError(_at("The number is too large", node.start_mark))
    return int(node.value)


def _float(loader: _Loader, node: yaml.ScalarNode) -> float:
    return float(node.value.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _boolean(loader: _Loader, node: yaml.ScalarNode) -> bool:
    return node.value.lower() == "true"


for _tag, _pattern, _first in CORE:
    _Loader.add_implicit_resolver(_tag, _pattern, _first)
_Loader.add_constructor(MAP, _mapping)
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:float", _float)
_Loader.add_constructor("tag:yaml.org,2002:bool", _boolean)


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data):
        return True


class _SlowDumper(yaml.SafeDumper):
    """For half characters, which libyaml cannot write, and for emoji, which it writes as numbers."""

    def ignore_aliases(self, data):
        return True


DUMPERS = (_Dumper, _SlowDumper)
for _dumper in DUMPERS:
    for _tag, _pattern, _first in CORE:
        _dumper.add_implicit_resolver(_tag, _pattern, _first)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Texts of several lines as a block where YAML allows it; odd characters always escaped."""
    style = "|" if _fits_a_block(text) else None if text.isprintable() else '"'
    return dumper.represent_scalar(STR, text, style=style)


def _fits_a_block(text: str) -> bool:
    lines = text.split("\n")
    plain = all(line.isprintable() and line == line.rstrip() for line in lines)
    return len(lines) > 1 and plain and not text.startswith((" ", "\n"))


def _represent_float(dumper: yaml.SafeDumper, number: float) -> yaml.ScalarNode:
    """0.00001 as 1.0e-05: both YAML versions read it as a number."""
    text = repr(number)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")
    special = {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}
    return dumper.represent_scalar("tag:yaml.org,2002:float", special.get(text, text))


for _dumper in DUMPERS:
    _dumper.add_representer(str, _represent_text)
    _dumper.add_representer(float, _represent_float)


def load_yaml(text: str) -> Any:
    """The JSON value that YAML (or JSON) text says; an empty text is an empty document.

    Keys become text, dates stay ISO text. Raises YamlError with a sentence for people, nothing else.
    """
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise YamlError(f"The text is longer than {MAX_BYTES // 1024} KB.")
    if HALF.search(text):
        raise YamlError("The text contains a character that cannot be stored.")
    try:
        check_events(text)
        value = yaml.load(text, Loader=_Loader)  # noqa: S506 - a narrowed SafeLoader
    except yaml.MarkedYAMLError as error:
        problem = error.problem or error.context or "The text is not YAML"
        if "nesting depth" in problem:
            raise YamlError("The text is nested too deeply.") from error
        mark = error.problem_mark
        if mark and mark.line > text.count("\n"):  # what is missing at the end: say where it began
            mark = error.context_mark
        raise YamlError(_at(problem[:1].upper() + problem[1:], mark)) from error
    except yaml.YAMLError as error:
        raise YamlError(f"The text is not YAML: {str(error).splitlines()[0]}.") from error
    except RecursionError as error:
        raise YamlError("The text is nested too deeply.") from error
    return {} if value is None else value


def dump_yaml(value: Any) -> str:
    """YAML of a JSON value, keys in their order; load_yaml gives the same value back."""
    style = {"sort_keys": False, "allow_unicode": True, "width": 110, "indent": INDENT}
    try:
        text = yaml.dump(value, Dumper=_Dumper, **style)
    except UnicodeEncodeError:
        return yaml.dump(value, Dumper=_SlowDumper, **style)
    escaped = "\\U000" in text and len(text) < SHORT
    return yaml.dump(value, Dumper=_SlowDumper, **style) if escaped else text
