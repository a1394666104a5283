"""Names and descriptions that people give: in sentences they must read as they were written, and from one end.

Controls, and what turns the direction of a line (U+202E and its like) or cannot be seen, are refused at every door
by `PlainNames` and `NameField`. What was stored before is shown isolated (`<bdi>`), or without these characters.
"""

import unicodedata

from django import forms
from django.core.exceptions import ValidationError

JOINERS = "\u200c\u200d"  # Persian, the scripts of India and emoji need them
BREAKS = "\t\n\r"
INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def is_odd(character: str) -> bool:
    """Does it steer a line, or stand in it unseen?"""
    return unicodedata.category(character) in INVISIBLE and character not in JOINERS


def without_odd(text: str) -> str:
    """The text as it reads, whatever was hidden in it. Line ends stay."""
    return "".join(one for one in text if one in BREAKS or not is_odd(one))


def plain_text(text: str) -> None:
    """Validator of descriptions, which may have several lines. Raises ValidationError."""
    odd = next((one for one in text if one not in BREAKS and is_odd(one)), None)
    if odd:
        raise ValidationError(
            f"It contains an invisible character, U+{ord(odd):04X}. Type it again without it.",
            code="invisible",
        )


def plain_line(text: str) -> None:
    """Validator of names. Raises ValidationError."""
    plain_text(text)
    if any(one in BREAKS for one in text):
        raise ValidationError("It must be one line.", code="invisible")


class NameField(forms.CharField):
    """A name in a form that is not made of a model; blanks between words are one each."""

    default_validators = [plain_line]

    def clean(self, value):
        return super().clean(" ".join(self.to_python(value).split()))


class DescriptionField(forms.CharField):
    default_validators = [plain_text]


class PlainNames:
    """Base of models with names: forms, Django admin and full_clean() ask it.

    Validators on the columns would do the same, with a migration for each.
    """

    NAMES: tuple[str, ...] = ("name",)
    DESCRIPTIONS: tuple[str, ...] = ("description",)

    def clean_fields(self, exclude=None) -> None:
        found = {}
        try:
            super().clean_fields(exclude)
        except ValidationError as error:
            found = error.error_dict
        for fields, check in ((self.NAMES, plain_line), (self.DESCRIPTIONS, plain_text)):
            for field in set(fields) - set(exclude or ()) - set(found):
                try:
                    check(getattr(self, field, None) or "")
                except ValidationError as error:
                    found[field] = [error]
        if found:
            raise ValidationError(found)
