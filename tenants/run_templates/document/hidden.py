"""Secrets in a document: never in clear, neither in a page nor in what is kept.

A schema marks them (`format: password` or `writeOnly`, as pydantic's SecretStr does). A recorded one is a mask that
stands for it; one that someone entered is sealed by a function that the caller brings, and opened for the tenant only.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from django.utils.crypto import salted_hmac

from tenants.run_templates.document.schema import (
    MASK,
    SEALED,
    Description,
    Field,
    SecretHider,
    at_secrets,
    is_hidden,
    mapping,
    masked,
)

Seal = Callable[[str], str]
NOT_SHOWN = f"{MASK} (not shown)"  # the mask of no recorded secret: sent back, it has to be entered again


def sealed(document: dict[str, Any], description: Description, seal: Seal) -> dict[str, Any]:
    """The document with every secret sealed that is there in clear; the same one when there is none."""
    changed = document
    for entry in description.fields:
        holder = _parameters(changed, entry)
        if not entry.hides or entry.name not in holder:
            continue
        value = holder[entry.name]
        hidden = _inside(
            entry, value, lambda text, place: text if is_hidden(text) or not text else SEALED + seal(text)
        )
        if hidden != value:
            changed = _with(changed, entry, hidden)
    return changed


def revealed(entry: Field, value: Any, recorded: Any, unseal: Seal) -> Any:
    """The value for the tenant: masks are the recorded secrets again, and sealed ones are opened."""
    masks: dict[str, str] = {}

    def remember(text: str, place: tuple) -> str:
        masks[masked(text, place)] = text
        return text

    _inside(entry, recorded, remember)
    return _inside(entry, value, lambda text, place: _opened(text, masks, unseal))


def _opened(text: str, masks: Mapping[str, str], unseal: Seal) -> str:
    return unseal(text.removeprefix(SEALED)) if text.startswith(SEALED) else masks.get(text, text)


def hidden_places(entry: Field, value: Any) -> Iterator[tuple]:
    """Where inside a value a secret is that cannot be checked, because it is not in clear."""
    found: list[tuple] = []

    def note(text: str, place: tuple) -> str:
        if is_hidden(text):
            found.append(place)
        return text

    if entry.hides:
        _inside(entry, value, note)
    yield from found


def unknown_secrets(entry: Field, value: Any) -> Iterator[tuple]:
    """Where inside a value a mask stands for no secret, so that nothing could be sent for it."""
    found: list[tuple] = []

    def note(text: str, place: tuple) -> str:
        if text.startswith(MASK) and text not in entry.masks:
            found.append(place)
        return text

    if entry.hides:
        _inside(entry, value, note)
    yield from found


def _inside(entry: Field, value: Any, change: Callable[[str, tuple], str]) -> Any:
    return at_secrets(value, entry.schema, {"$defs": mapping(entry.schema.get("$defs"))}, change)


def _parameters(document: Mapping[str, Any], entry: Field) -> dict[str, Any]:
    holder = mapping(mapping(document.get("steps")).get(entry.step)) if entry.step else mapping(document)
    return mapping(holder.get("parameters"))


def _with(document: dict[str, Any], entry: Field, value: Any) -> dict[str, Any]:
    """A copy of the document with another value of one parameter."""
    parameters = {**_parameters(document, entry), entry.name: value}
    if not entry.step:
        return {**document, "parameters": parameters}
    steps = document["steps"]
    return {**document, "steps": {**steps, entry.step: {**steps[entry.step], "parameters": parameters}}}


def with_masks() -> SecretHider:
    """What hides secrets on one page about recorded runs."""
    return SecretHider(lambda text: MASK)


def with_marks() -> SecretHider:
    """The same for values that are compared: it can be seen whether two secrets differ."""
    return SecretHider(lambda text: f"{MASK} ({_mark(text)})")


def _mark(text: str) -> str:
    """Says nothing about the secret without the key of this installation."""
    return salted_hmac(__name__, text.encode(errors="surrogatepass")).hexdigest()[:6]


def plainly(value: Any) -> Any:
    """A value for people to read, with a word instead of what is sealed."""
    text = json.dumps(value) if isinstance(value, dict | list) else ""
    if isinstance(value, str):
        return "a new secret" if value.startswith(SEALED) else MASK if is_hidden(value) else value
    if SEALED not in text and MASK not in text:
        return value
    if isinstance(value, list):
        return [plainly(one) for one in value]
    return {key: plainly(one) for key, one in value.items()}


def without_sealed(value: Any, but: AbstractSet[str] = frozenset()) -> Any:
    """A value for programs to read: what is sealed is not shown, and can't be sent back by mistake; `but` these texts."""
    if isinstance(value, list):
        return [without_sealed(one, but) for one in value]
    if isinstance(value, dict):
        return {key: without_sealed(one, but) for key, one in value.items()}
    return NOT_SHOWN if isinstance(value, str) and value.startswith(SEALED) and value not in but else value


def sealed_texts(value: Any) -> set[str]:
    """All sealed texts inside of a value."""
    if isinstance(value, str):
        return {value} if value.startswith(SEALED) else set()
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set().union(*map(sealed_texts, inner))
