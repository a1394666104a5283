"""The document as people read it: operations in groups, fields as rows, and curl examples that run when pasted."""

import json
from dataclasses import dataclass, field
from functools import cached_property

from django.utils.text import slugify

from .document import document

DEEPEST = 3
FORMATS = {"uuid": "UUID", "date-time": "date and time", "date": "date"}


@dataclass(frozen=True)
class DocumentedField:
    """A parameter, or a value of a body or an answer; `name` has dots for what is inside something."""

    name: str
    kind: str
    about: str = ""
    required: bool = False


@dataclass(frozen=True)
class Operation:
    """`samples`: parameter -> a value that exists, for the example."""

    method: str
    path: str
    raw: dict
    samples: dict = field(default_factory=dict)
    site: str = ""

    @property
    def id(self) -> str:
        return self.raw["operationId"]

    @property
    def title(self) -> str:
        return self.raw["summary"]

    @property
    def about(self) -> str:
        return self.raw.get("description", "")

    @property
    def reads(self) -> bool:
        return self.method == "GET"

    @property
    def parameters(self) -> list[DocumentedField]:
        return [
            DocumentedField(one["name"], kind_of(one["schema"]), one.get("description", ""), one["required"])
            for one in self.raw["parameters"]
        ]

    @property
    def body(self) -> list[DocumentedField]:
        return fields_of(self._body_schema)

    @property
    def answers(self) -> list[tuple[str, str, list[DocumentedField]]]:
        """(status, words, fields of a success)."""
        return [
            (status, one["description"], fields_of(_schema(one)) if status.startswith("2") else [])
            for status, one in self.raw["responses"].items()
        ]

    @property
    def url(self) -> str:
        """With values that exist where the call changes nothing, else with names to replace."""
        path = self.path
        for one in self.raw["parameters"]:
            if one["in"] == "path":
                path = path.replace(f"{{{one['name']}}}", self._value(one["name"]))
        return self.site + path

    @property
    def opens(self) -> bool:
        """Does the URL lead to something?"""
        return self.reads and not any(name.isupper() for name in self.url.split("/"))

    @property
    def curl(self) -> str:
        lines = [f"curl -s {'' if self.reads else f'-X {self.method} '}{self.url}"]
        lines.append('-H "Authorization: Bearer $ZENPRO_KEY"')
        if self._body_schema:
            body = {name: self._example(name, schema) for name, schema in self._shown_body.items()}
            lines += ['-H "Content-Type: application/json"', f"-d '{json.dumps(body)}'"]
        elif "requestBody" in self.raw:
            lines += ["--data-binary @code.tar.gz"]
        return " \\\n  ".join(lines)

    @cached_property
    def _body_schema(self) -> dict:
        return _resolved(_schema(self.raw.get("requestBody", {})))

    @property
    def _shown_body(self) -> dict:
        """What has to be sent, and what has an example."""
        required = self._body_schema.get("required", [])
        named = self._body_schema["properties"]
        shown = {name: one for name, one in named.items() if name in required or "examples" in one}
        return shown or dict([*named.items()][:1])

    def _value(self, name: str) -> str:
        changes = not self.reads and "201" not in self.raw["responses"]
        anchors = ("organization", "tenant")
        found = None if changes and name not in anchors else self.samples.get(name)
        return str(found) if found else f"{name.upper()}_ID"

    def _example(self, name: str, schema: dict):
        if "examples" in schema:
            return schema["examples"][0]
        kinds, _ = _without_null(schema)
        if kinds.get("format") == "uuid":
            return self._value(name)
        if "enum" in kinds:
            return kinds["enum"][-1]
        return {"array": [], "object": {}, "integer": 1}.get(kinds.get("type"), name)


@dataclass(frozen=True)
class OperationGroup:
    name: str
    operations: list[Operation]

    @property
    def slug(self) -> str:
        return slugify(self.name)


def groups(samples: dict, site: str) -> list[OperationGroup]:
    """All operations by what they are about, in the order of the document."""
    found: dict[str, list[Operation]] = {}
    for path, methods in document()["paths"].items():
        for method, raw in methods.items():
            one = Operation(method.upper(), path, raw, samples, site)
            found.setdefault(raw["tags"][0], []).append(one)
    return [OperationGroup(name, some) for name, some in found.items()]


def _schema(holder: dict) -> dict:
    return holder.get("content", {}).get("application/json", {}).get("schema", {})


def _resolved(schema: dict) -> dict:
    if "$ref" in schema:
        found = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return found | {name: value for name, value in schema.items() if name != "$ref"}
    return schema


def _without_null(schema: dict) -> tuple[dict, bool]:
    """The schema itself, and whether null is allowed as well."""
    options = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
    if "anyOf" in schema and len(options) == 1:
        return _resolved(options[0]), True
    return _resolved(schema), False


def kind_of(schema: dict) -> str:
    """What a value is, in words."""
    schema, nullable = _without_null(schema)
    if "enum" in schema:
        word = " · ".join(json.dumps(one) if one == "" else str(one) for one in schema["enum"])
    elif schema.get("type") == "array":
        word = f"list of {kind_of(schema.get('items', {}))}"
    else:
        word = FORMATS.get(schema.get("format"), schema.get("type", "anything")) + _range(schema)
    return f"{word} or null" if nullable else word


def _range(schema: dict) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    return f" {low} to {high}" if low is not None and high is not None else ""


def fields_of(schema: dict, before: str = "", depth: int = 0) -> list[DocumentedField]:
    """A row for each value, followed by the values inside it."""
    schema, _ = _without_null(schema)
    if schema.get("type") == "array":
        return fields_of(schema["items"], f"{before}[]." if not before else before, depth)
    rows = []
    for name, inner in schema.get("properties", {}).items():
        required = name in schema.get("required", [])
        rows.append(DocumentedField(before + name, kind_of(inner), inner.get("description", ""), required))
        if depth < DEEPEST:
            rows += fields_of(_inside(inner), f"{before}{name}{_mark(inner)}.", depth + 1)
    return rows


def _inside(schema: dict) -> dict:
    schema, _ = _without_null(schema)
    return _resolved(schema.get("items", {})) if schema.get("type") == "array" else schema


def _mark(schema: dict) -> str:
    return "[]" if _without_null(schema)[0].get("type") == "array" else ""
