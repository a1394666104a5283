"""Forms that give and take roles on a tenant."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django import forms
from django.utils import timezone

from orgs.roles.models import Role
from tenants.access.holder_fields import HolderField

ROWS = 2  # empty rows for choosing who gets access
MAX_ROWS = 50


class RoleField(forms.ModelChoiceField):
    """One of the roles of an organization that can be given on a tenant."""

    def __init__(self, *, roles, **kwargs):
        super().__init__(queryset=roles, empty_label=None, label="Role", **kwargs)


class BaseAccessFormSet(forms.BaseFormSet):
    def clean(self):
        """`pairs`: (holder, role) of the filled rows. One per holder: with two, no one could know which was meant."""
        rows = [form.cleaned_data for form in self.forms if form.is_valid()]
        self.pairs = [(row["holder"], row["role"]) for row in rows if row.get("holder") and row.get("role")]
        if len({holder for holder, _ in self.pairs}) < len(self.pairs):
            raise forms.ValidationError("Someone is chosen twice. Give each person or team one role.")


def access_formset(org, data=None, search_at="") -> BaseAccessFormSet:
    """The rows of "who gets access" on the page that creates a tenant. `search_at`: see HolderField."""
    roles = org.roles.tenant_level()

    class Row(forms.Form):
        holder = HolderField(org=org, required=False, label="Team or person", search_at=search_at)
        role = RoleField(roles=roles, required=False, initial=roles.filter(slug="developer").first())

    limits = {"extra": ROWS, "max_num": MAX_ROWS, "absolute_max": MAX_ROWS}
    return forms.formset_factory(Row, formset=BaseAccessFormSet, **limits)(data, prefix="access")


def not_past(day: date) -> None:
    """Validator of days. Raises ValidationError."""
    if day < timezone.localdate():
        raise forms.ValidationError("This day is in the past.")


class EndField(forms.DateField):
    """The last day of a role, or none."""

    default_validators = [not_past]

    def __init__(self, **kwargs):
        super().__init__(required=False, widget=forms.DateInput(attrs={"type": "date"}), **kwargs)


def end_of(day: date | None) -> datetime | None:
    """The last moment of the last day."""
    return timezone.make_aware(datetime.combine(day, time.max)) if day else None


def months_later(day: date, months: int) -> date:
    """The same day of a later month, or its last one."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return day.replace(year=year, month=month + 1, day=min(day.day, monthrange(year, month + 1)[1]))


ON_A_DAY = "day"
ENDS = {
    "": ("Never", lambda today: None),
    "week": ("In 1 week", lambda today: today + timedelta(days=7)),
    "month": ("In 1 month", lambda today: months_later(today, 1)),
    "quarter": ("In 3 months", lambda today: months_later(today, 3)),
}


class GrantForm(forms.Form):
    """One more role for a member or a team, or another last day for one they hold."""

    def __init__(self, *args, org, search_at="", **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["holder"] = HolderField(org=org, search_at=search_at, label="Team or person")
        self.fields["role"] = RoleField(roles=org.roles.tenant_level())
        ends = [*((key, words) for key, (words, _) in ENDS.items()), (ON_A_DAY, "On a day…")]
        self.fields["ends"] = forms.ChoiceField(label="Expires", choices=ends, required=False)
        self.fields["expires_on"] = EndField(label="Last day")

    def clean(self):
        """`expires_at`: the quick choice, else the day, which also counts alone."""
        super().clean()
        data = self.cleaned_data
        day = ENDS.get(data.get("ends", ""), ENDS[""])[1](timezone.localdate())
        data["expires_at"] = end_of(day or data.get("expires_on"))
        if data.get("ends") == ON_A_DAY and not data["expires_at"] and "expires_on" not in self.errors:
            self.add_error("expires_on", "Choose a day.")


@dataclass(frozen=True)
class RoleLine:
    """A role on the form with all roles of one holder. `until`: the field with its last day."""

    role: Role
    chosen: bool
    held: bool
    until: forms.BoundField


class RolesForm(forms.Form):
    """All direct roles of one holder on a tenant, each with its own last day; `role` can be posted several times."""

    def __init__(self, data=None, *, org, held, **kwargs):
        super().__init__(data, **kwargs)
        self.roles, self.held = list(org.roles.tenant_level()), {grant.role_id: grant for grant in held}
        for role in self.roles:
            end = self.held[role.pk].expires_at if role.pk in self.held else None
            day = timezone.localdate(end) if end else None
            field = EndField(label=f"Last day of {role.name}", initial=day)
            field.widget.attrs["list"] = "quick-ends"
            self.fields[self.name_of(role)] = field

    @staticmethod
    def name_of(role: Role) -> str:
        return f"until_{role.pk}"

    @property
    def chosen(self) -> list[str]:
        """Keys of the roles that are ticked."""
        if self.is_bound:
            return [key for key in self.data.getlist("role") if key]
        return [str(key) for key in self.held]

    @property
    def quick_ends(self) -> list[tuple[str, date]]:
        """Days that the browser suggests for each last day."""
        today = timezone.localdate()
        return [(words, day(today)) for key, (words, day) in ENDS.items() if key]

    @property
    def lines(self) -> list[RoleLine]:
        chosen = set(self.chosen)
        return [
            RoleLine(role, str(role.pk) in chosen, role.pk in self.held, self[self.name_of(role)])
            for role in self.roles
        ]

    def clean(self):
        """`roles`: each role with its end."""
        super().clean()
        known = {str(role.pk): role for role in self.roles}
        if not known.keys() >= set(self.chosen):
            raise forms.ValidationError("Choose roles of this organization.")
        chosen = [known[key] for key in self.chosen]
        for name in self.errors.keys() - {self.name_of(role) for role in chosen}:
            del self.errors[name]  # the last day of a role that is not given
        self.cleaned_data["roles"] = {role: self._end(role) for role in chosen}

    def _end(self, role: Role):
        """The stored end, to the second, if its day was left alone."""
        day = self.cleaned_data.get(self.name_of(role))
        stored = getattr(self.held.get(role.pk), "expires_at", None)
        return stored if day and stored and day == timezone.localdate(stored) else end_of(day)


class OwnRoleForm(forms.Form):
    """A role for oneself."""

    def __init__(self, *args, org, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["role"] = RoleField(roles=org.roles.tenant_level())
