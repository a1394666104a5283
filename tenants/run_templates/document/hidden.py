"""Secrets in a document: never in clear, neither in a page nor in what is kept.

A schema marks them (`format: password` or `writeOnly`, as pydantic's SecretStr does). A recorded one is a mask that
stands for it; one that someone entered is sealed by a function that the caller brings, and opened for the tenant only.
Both are worth something at their own place alone: elsewhere they would send a secret where somebody else wants it.
"""

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any

from django.utils.crypto import salted_hmac

from tenants.run_templates.document.schema import (
    A_SEAL,
    MASK,
    SEALED,
    Description,
    Field,
    SecretHider,
    at_secrets,
    is_hidden,
    is_same_place,
    mapping,
    masked,
)
from zenpro_site.common.sealing import SecretsUnreadable, unseal

Place = tuple[str | int, ...]  # the path of a parameter, and the way inside of its value
Seal = Callable[[str, Place], str]
NOT_SHOWN = f"{MASK} (not shown)"  # the mask of no recorded secret: sent back, it has to be entered again
NOT_RECORDED = "ZenML recorded a mask instead of this secret, so it has to be entered again."
ELSEWHERE = "This stands for the secret of another field: enter the secret itself."


def sealed(document: dict[str, Any], description: Description, seal: Seal) -> dict[str, Any]:
    """The document with every secret sealed that is there in clear; the same one when there is none."""
    changed = document
    for entry in description.fields:
        holder = _parameters(changed, entry)
        if not entry.hides or entry.name not in holder:
            continue
        value = holder[entry.name]
        hidden = _inside(entry, value, partial(_kept_sealed, entry, seal))
        if hidden != value:
            changed = _with(changed, entry, hidden)
    return changed


def _kept_sealed(entry: Field, seal: Seal, text: str, place: Place) -> str:
    return text if not text or is_hidden(text) else SEALED + seal(text, (entry.path, *place))


def revealed(entry: Field, value: Any, recorded: Any, unseal: Seal) -> Any:
    """The value for the tenant: masks are the recorded secrets again, and sealed ones are opened.

    Raises SecretsUnreadable for one that does not belong where it stands.
    """
    secrets: dict[str, list[tuple[Place, str]]] = {}

    def remember(text: str, place: Place) -> str:
        secrets.setdefault(masked(text, place), []).append((place, text))
        return text

    def opened(text: str, place: Place) -> str:
        if A_SEAL.fullmatch(text):
            return unseal(text.removeprefix(SEALED), (entry.path, *place))
        return _recorded_at(place, secrets[text]) if text in secrets else text

    _inside(entry, recorded, remember)
    return _inside(entry, value, opened)


def _recorded_at(place: Place, secrets: list[tuple[Place, str]]) -> str:
    """Where two places have masks alike, the one that is meant exactly comes first."""
    at_home = [one for one in secrets if is_same_place(one[0], place)]
    if not at_home:
        raise SecretsUnreadable(ELSEWHERE)
    return next((text for kept, text in at_home if kept == place), at_home[0][1])


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


def unknown_secrets(entry: Field, value: Any, unseal: Seal) -> Iterator[tuple[tuple, str]]:
    """(where inside a value something stands for a secret that can't be used there, why it can't)"""
    found: list[tuple[tuple, str]] = []

    def note(text: str, place: Place) -> str:
        if why := _why_unknown(entry, text, place, unseal):
            found.append((place, why))
        return text

    if entry.hides:
        _inside(entry, value, note)
    yield from found


def _why_unknown(entry: Field, text: str, place: Place, unseal: Seal) -> str:
    if A_SEAL.fullmatch(text):
        return _why_sealed(lambda: unseal(text.removeprefix(SEALED), (entry.path, *place)))
    known = any(is_same_place(one, place) for one in entry.masks.get(text, ()))
    if known or not text.startswith(MASK):
        return ""
    return NOT_RECORDED if text in (MASK, NOT_SHOWN) else ELSEWHERE


def _why_sealed(unseal: Callable[[], str]) -> str:
    try:
        unseal()
    except SecretsUnreadable as error:
        return f"This secret can’t be used here: {error} Enter it again."
    return ""


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


def is_sealed(text: str) -> bool:
    """Is it really a sealed secret of this installation? How a text begins says nothing: anyone can type that."""
    if not A_SEAL.fullmatch(text):
        return False
    try:
        return "secret" in unseal(text.removeprefix(SEALED))
    except SecretsUnreadable:
        return False


def plainly(value: Any) -> Any:
    """A value for people to read, with a word instead of what is sealed."""
    return _replaced(value, lambda text: "a new secret" if is_sealed(text) else text)


def without_sealed(value: Any, but: AbstractSet[str] = frozenset()) -> Any:
    """A value for programs to read: what is sealed is not shown, and can't be sent back by mistake; `but` these texts."""
    return _replaced(value, lambda text: NOT_SHOWN if text not in but and is_sealed(text) else text)


def _replaced(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_replaced(one, change) for one in value]
    if isinstance(value, dict):
        return {key: _replaced(one, change) for key, one in value.items()}
    return value


def sealed_texts(value: Any) -> set[str]:
    """All sealed texts inside of a value."""
    if isinstance(value, str):
        return {value} if value.startswith(SEALED) else set()
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set().union(*map(sealed_texts, inner))
