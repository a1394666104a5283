"""Sizes as people write and read them: "20G", 1.2 GB."""

import re

from django.core.exceptions import ImproperlyConfigured

UNITS = ("", "K", "M", "G", "T")
SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Bytes of "20G", "500 MB", "1.5T" or "1024"; a K is 1024. Raises ValueError."""
    found = SIZE.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is not a size such as 20G or 500M.")
    return int(float(found[1]) * 1024 ** UNITS.index(found[2].upper()))


def load_size(env, name: str, default: str) -> int:
    """Bytes that a variable names. Fails with a hint."""
    try:
        return parse_size(env(name, default=default))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error


def size_words(count: int) -> str:
    """ "1.2 GB", "20 GB", "300 MB"; the space does not break."""
    size, unit = float(count), 0
    while round(size, 1) >= 1000 and unit < len(UNITS) - 1:
        size, unit = size / 1024, unit + 1
    number = f"{size:.0f}" if unit == 0 or size >= 100 else f"{size:.1f}".removesuffix(".0")
    return f"{number}\N{NO-BREAK SPACE}{UNITS[unit]}B"
