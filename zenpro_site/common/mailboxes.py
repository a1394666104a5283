"""One normal form of an email address, so that one mailbox is one person wherever the address comes from."""

import re
import unicodedata

import idna
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

LONGEST = 254
UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
SCHEME = re.compile(r"mailto:", re.IGNORECASE)
IN_BRACKETS = re.compile(r"<([^<>]*)>[\s,;]*$")
BLANKS = " \t\r\n"
AROUND = " \t\r\n\"'“”‘’«»<>(),;:"  # what mail programs and sentences put around an address


def normal(text: str) -> str:
    """The form in which addresses are stored and compared: `ADA@Bücher.example` as ada@xn--bcher-kva.example.

    Compatibility forms are folded (NFKC), characters that cannot be seen are dropped, the domain is in ASCII.
    What is no address comes back folded, for `is_address` to refuse.
    """
    folded = _seen(text).strip().lower()
    name, at, domain = folded.rpartition("@")
    return f"{name}@{ascii_domain(domain)}" if at else folded


def pasted(text: str) -> str:
    """The normal form of what someone copied: `"Ada" <mailto:ada@example.org?subject=Hello>,` -> ada@example.org."""
    seen = _seen(text)
    bracketed = IN_BRACKETS.search(seen)
    bare = (bracketed[1] if bracketed else seen).strip(AROUND)
    if SCHEME.match(bare):
        bare = SCHEME.sub("", bare, count=1).partition("?")[0]
    return normal(bare.strip(AROUND))


def _seen(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text)
    return "".join(one for one in folded if one in BLANKS or unicodedata.category(one) not in UNSEEN)


def is_written_plainly(text: str) -> bool:
    """Is it an address that says by itself which mailbox it means? Folding must change no more than case and domain."""
    name, _, domain = text.strip().rpartition("@")
    return (
        is_address(normal(text))
        and name.lower() == normal(text).rpartition("@")[0]
        and _seen(domain) == domain
    )


def ascii_domain(domain: str) -> str:
    """The domain as it stands in the name system, lowered. Raises nothing: what has no such form is left as it is."""
    lowered = domain.strip().lower().rstrip(".")
    if lowered.isascii():
        return lowered
    try:
        return idna.encode(lowered, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return lowered


def is_address(text: str) -> bool:
    """Can mail be sent there? `text` in its normal form."""
    return not why_no_address(text)


def why_no_address(text: str) -> str:
    """Why no mail can be sent there, as a sentence; empty when it can."""
    name, _, _ = text.rpartition("@")
    if not name.isascii():
        return "Only plain letters, digits and symbols can come before the @."
    try:
        validate_email(text)
    except ValidationError:
        return "This is not an email address."
    return "" if len(text) <= LONGEST else f"It is longer than {LONGEST} characters."


def split(text: str) -> list[str]:
    """Addresses of a pasted text in their normal form, each once: by commas, semicolons, blanks or lines.

    `"Lovelace, Ada" <ada@example.org>` is one, with quotation marks or without.
    """
    found = []
    for row in re.split(r"[;\r\n]+", text):
        if "<" in row:
            row = re.sub(r"\"[^\"]*\"\s*(?=<)", "", row)
            parts = [part for part in row.split(",") if "@" in part]
            found += [piece for part in parts for piece in re.split(r"(?<=>)\s+", part)] or [row]
        else:
            found += re.split(r"[,\s]+", row)
    return list(dict.fromkeys(filter(None, map(pasted, found))))
