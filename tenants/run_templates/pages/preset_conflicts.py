"""What a preset sets that a rule of its template leaves no room for, in words."""

from tenants.run_templates.document.field_rules import FieldRule, RuleKind
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.models import Preset, RunTemplate
from tenants.run_templates.pages.field_presentation import in_words, shortened
from tenants.run_templates.presets import draft_of, presets_for

MOST_SAID = 5  # presets after a rule was saved
LENGTH = 60  # characters of a value


def conflicts_of(preset: Preset, unchanged: Document) -> list[str]:
    """A sentence for each value; [] without any. What the template hides is not named."""
    document = draft_of(preset, unchanged).parsed
    return [_sentence(*clash) for clash in document.clashes]


def _sentence(rule: FieldRule, value, before) -> str:
    name = ".".join([rule.path.rpartition(".")[2], *rule.within])
    sets = f"This preset sets {name} to {_words(value)}"
    if rule.kind == RuleKind.LOCKED:
        return f"{sets}, the template locks it at {_words(before)}."
    if rule.kind == RuleKind.CHOICES:
        return f"{sets}, the template allows {rule.allowed}."
    return f"{sets}, the template takes {rule.allowed}."


def _words(value) -> str:
    return shortened(in_words(value), LENGTH)


def conflicts_after(template: RunTemplate, user) -> list[str]:
    """A sentence for each preset this person may use that the template's rules, as they are now, keep from running."""
    unchanged, found = Document.of(template), []
    for preset in presets_for(template, user):
        if sentences := conflicts_of(preset, unchanged):
            found.append(f"“{preset}” can't be run any more. {sentences[0]}")
    return found[:MOST_SAID]
