"""Selectors in addresses: of labels and of fields."""

import re

from .refusals import bad_request

SET = re.compile(r"^(?P<key>[^\s!=()]+)\s+(?P<how>in|notin)\s+\((?P<values>[^)]*)\)$")
EQUAL = re.compile(r"^(?P<key>[^\s!=()]+)\s*(?P<how>==|=|!=)\s*(?P<value>[^\s()]*)$")
EXISTS = re.compile(r"^(?P<no>!?)\s*(?P<key>[^\s!=()]+)$")


def matches(obj: dict, labels: str = "", fields: str = "") -> bool:
    """`labels` and `fields` as in `labelSelector` and `fieldSelector`."""
    own = obj["metadata"].get("labels") or {}
    asked = list(filter(None, map(str.strip, re.split(r",(?![^(]*\))", labels))))
    wanted = list(filter(None, fields.split(",")))
    return all(_label_fits(own, one) for one in asked) and all(_field_fits(obj, one) for one in wanted)


def _label_fits(labels: dict, part: str) -> bool:
    if found := SET.match(part):
        inside = labels.get(found["key"]) in map(str.strip, found["values"].split(","))
        return inside == (found["how"] == "in")
    if found := EQUAL.match(part):
        return (labels.get(found["key"]) == found["value"]) == (found["how"] != "!=")
    if found := EXISTS.match(part):
        return (found["key"] in labels) == (not found["no"])
    raise bad_request(f"unable to parse requirement: found '{part}'")


def _field_fits(obj: dict, part: str) -> bool:
    found = EQUAL.match(part)
    if not found:
        raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
    at = obj
    for name in found["key"].split("."):
        at = at.get(name, "") if isinstance(at, dict) else ""
    return (str(at) == found["value"]) == (found["how"] != "!=")


def chosen(labels: dict, selector: dict) -> bool:
    """Does a selector in an object (matchLabels, matchExpressions) choose these labels?"""
    wanted = selector.get("matchLabels", {}).items()
    rules = selector.get("matchExpressions", [])
    return wanted <= labels.items() and all(_rule_fits(labels, rule) for rule in rules)


def _rule_fits(labels: dict, rule: dict) -> bool:
    value = labels.get(rule["key"])
    return {
        "In": value in rule.get("values", []),
        "NotIn": value not in rule.get("values", []),
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }[rule["operator"]]
