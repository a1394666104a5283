"""The inputs of the settings of stack components: numbers, texts, choices and switches."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tenants.run_templates.document.components import StackComponent
from tenants.run_templates.document.form_data import KEPT, Unreadable
from tenants.run_templates.document.run_settings import Setting, SettingField
from tenants.run_templates.document.schema import Choice, Field, Kind, same

UNSET = Choice(None, "", "Not set")
SWITCH = (UNSET, Choice(True, "true", "On"), Choice(False, "false", "Off"))


@dataclass(frozen=True)
class ComponentSetting(Setting):
    """One input of a component; an empty one sets nothing, so that the stack's own value counts."""

    field: Field | None = None
    group: str = ""

    def entry(self, step: str) -> SettingField:
        """Its input, with the limits of the schema."""
        limits = ("minimum", "maximum", "exclusive_minimum", "exclusive_maximum", "multiple_of")
        lengths = ("min_length", "max_length", "pattern", "format")
        return SettingField(
            path=f"steps.{step}.{self.path}" if step else self.path,
            step=step,
            name=self.label,
            kind=self.kind,
            default=None,
            schema=self.field.schema,
            description=self.description,
            choices=self.choices,
            about=self.about,
            group=self.group,
            **{name: getattr(self.field, name) for name in (*limits, *lengths)},
        )

    def text(self, holder: Any) -> str:
        """What its input shows: of a choice, its place."""
        if not self.choices:
            return super().text(holder)
        value = self.value(holder)
        return next((choice.raw for choice in self.choices if same(choice.value, value)), KEPT)

    def _read(self, text: str) -> Any:
        if not self.choices:
            return super()._read(text)
        for choice in self.choices:
            if text == choice.raw:
                return choice.value
        raise Unreadable("Choose one of these values.")


def settings_of(components: Iterable[StackComponent]) -> list[ComponentSetting]:
    """All inputs of these components, for the whole run."""
    return [_setting(one, entry) for one in components for entry in one.fields]


def _setting(component: StackComponent, entry: Field) -> ComponentSetting:
    choices = SWITCH if entry.kind == Kind.BOOLEAN else (UNSET, *entry.choices) if entry.choices else ()
    return ComponentSetting(
        keys=("settings", component.key, entry.name),
        label=entry.name.replace("_", " ").capitalize(),
        kind=Kind.ENUM if choices else entry.kind,
        about="" if choices else entry.range.removesuffix(" or none"),
        description=_first_sentence(entry.description),
        choices=choices,
        field=entry,
        group=component.label,
    )


def _first_sentence(text: str) -> str:
    """ZenML's descriptions of these are up to a page long."""
    return f"{text.partition('. ')[0].rstrip('.')}." if text else ""
