from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from urllib.parse import urlsplit

from django import forms
from django.core.validators import RegexValidator
from django.utils import timezone

from orgs.models import RESERVED_SLUGS, slug_validator
from orgs.roles.models import Role
from zenpro_site.names import DescriptionField, NameField

from .holders import HolderField, holder_choices

OTHER = "other"
HERE, ELSEWHERE = "here", "elsewhere"
version_validator = RegexValidator(
    r"^\d+(\.\d+){1,3}((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?$", "Enter a version as on PyPI, such as 0.98.0."
)
ROWS = 2  # empty rows for choosing who gets access
MAX_ROWS = 50


class RoleField(forms.ModelChoiceField):
    """A role of the organization that can be given on a tenant."""

    def __init__(self, *, org, **kwargs):
        super().__init__(queryset=org.roles.tenant_level(), empty_label=None, **kwargs)


class AccessForm(forms.Form):
    """One row of "who gets access"."""

    def __init__(self, *args, org, role, holder, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["holder"] = HolderField(org=org, required=False, label="Team or person", **holder)
        self.fields["role"] = RoleField(org=org, required=False, label="Role", initial=role)


class BaseAccessFormSet(forms.BaseFormSet):
    def clean(self):
        """One row per holder: with two, no one could know which role was meant."""
        chosen = [holder for holder, _ in self.pairs()]
        if len(set(chosen)) < len(chosen):
            raise forms.ValidationError("Someone is chosen twice. Give each person or team one role.")

    def pairs(self) -> list:
        """[(holder, role)] of the filled rows."""
        rows = [form.cleaned_data for form in self.forms if form.is_valid()]
        return [(row["holder"], row["role"]) for row in rows if row.get("holder") and row.get("role")]


_AccessFormSet = forms.formset_factory(
    AccessForm, formset=BaseAccessFormSet, extra=ROWS, max_num=MAX_ROWS, absolute_max=MAX_ROWS
)


def access_formset(org, data=None, search_at="") -> BaseAccessFormSet:
    """The rows of "who gets access" on the page that creates a tenant. `search_at`: see HolderField."""
    role = org.roles.tenant_level().filter(slug="developer").first()
    holder = {"choices": holder_choices(org), "search_at": search_at}
    kwargs = {"org": org, "role": role, "holder": holder}
    return _AccessFormSet(data, prefix="access", form_kwargs=kwargs)


class AddressField(forms.URLField):
    """The address of a server, without a trailing slash. Cleans to lower case where case has no meaning."""

    def __init__(self, **kwargs):
        widget = forms.URLInput(attrs={"placeholder": "https://zenml.example.org", "autocomplete": "off"})
        super().__init__(max_length=200, assume_scheme="https", widget=widget, **kwargs)

    def clean(self, value):
        value = super().clean(value)
        if not value:
            return value
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https"):
            raise forms.ValidationError("The address must begin with https:// or http://.")
        if parts.username or parts.query or parts.fragment:
            raise forms.ValidationError("Enter only host, port and path, without user, “?” or “#”.")
        return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


class TenantForm(forms.Form):
    """A new tenant, without who gets access."""

    where = forms.ChoiceField(
        choices=[(HERE, "Run here"), (ELSEWHERE, "A server someone else runs")],
        initial=HERE,
        required=False,
        label="Where its server runs",
    )
    server_url = AddressField(
        required=False,
        label="Address of the server",
        help_text="Where clients and ZenPro reach it.",
    )

    name = NameField(max_length=60, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    slug = forms.CharField(
        max_length=40,
        label="Address",
        validators=[slug_validator],
        help_text="Used in addresses and by the zenml client. It can't be changed later.",
        widget=forms.TextInput(
            attrs={"data-slug-of": "id_name", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    version = forms.ChoiceField(label="ZenML version")
    other_version = forms.CharField(
        max_length=20,
        required=False,
        label="Another version",
        validators=[version_validator],
        help_text="Any release on PyPI. It is installed first; if that fails, the tenant shows why.",
        widget=forms.TextInput(attrs={"placeholder": "0.98.0", "autocomplete": "off"}),
    )
    description = DescriptionField(
        max_length=300, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )

    def __init__(self, *args, org, versions, **kwargs):
        super().__init__(*args, **kwargs)
        self.org = org
        self.fields["version"].choices = [*((v, v) for v in versions), (OTHER, "Another version…")]

    @property
    def is_elsewhere(self) -> bool:
        """Also of a form that came back with errors."""
        return self["where"].value() == ELSEWHERE

    def clean_slug(self) -> str:
        slug = self.cleaned_data["slug"]
        if slug in RESERVED_SLUGS or self.org.tenants.live().filter(slug=slug).exists():
            raise forms.ValidationError(f"“{slug}” is taken.", code="taken")
        return slug

    def clean(self):
        super().clean()
        self.cleaned_data["where"] = self.cleaned_data.get("where") or HERE
        if self.is_elsewhere and not self.cleaned_data.get("server_url") and "server_url" not in self.errors:
            self.add_error("server_url", "Enter the address of the server.")
        if self.cleaned_data.get("version") != OTHER:
            return
        if self.cleaned_data.get("other_version"):
            self.cleaned_data["version"] = self.cleaned_data["other_version"]
        elif "other_version" not in self.errors:
            self.add_error("other_version", "Enter a version.")


class SlugForm(forms.Form):
    """Only tells whether a slug is available."""

    slug = TenantForm.base_fields["slug"]
    clean_slug = TenantForm.clean_slug

    def __init__(self, *args, org, **kwargs):
        super().__init__(*args, **kwargs)
        self.org = org


class SettingsForm(forms.Form):
    name = NameField(max_length=60, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    description = DescriptionField(
        max_length=300, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )


class DeleteForm(forms.Form):
    """Asks for the name, as a confirmation."""

    confirm = forms.CharField(label="Name", required=False)

    def __init__(self, *args, tenant, **kwargs):
        super().__init__(*args, **kwargs)
        self.tenant = tenant
        self.fields["confirm"].label = f"Type {tenant.name} to confirm"
        attrs = {"data-equals": tenant.name, "autocomplete": "off", "spellcheck": "false"}
        self.fields["confirm"].widget.attrs.update(attrs)

    def clean_confirm(self) -> str:
        if self.cleaned_data["confirm"] != self.tenant.name:
            raise forms.ValidationError(f"That doesn't match “{self.tenant.name}”.")
        return self.cleaned_data["confirm"]


class EndField(forms.DateField):
    """The last day of a role; cleans to its last moment, or None."""

    def __init__(self, **kwargs):
        super().__init__(required=False, widget=forms.DateInput(attrs={"type": "date"}), **kwargs)

    def clean(self, value):
        day = super().clean(value)
        if day and day < timezone.localdate():
            raise forms.ValidationError("This day is in the past.")
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
        self.fields["role"] = RoleField(org=org, label="Role")
        ends = [*((key, words) for key, (words, _) in ENDS.items()), (ON_A_DAY, "On a day…")]
        self.fields["ends"] = forms.ChoiceField(label="Expires", choices=ends, required=False)
        self.fields["expires_on"] = EndField(label="Last day")

    def clean(self):
        """`expires_at`: the quick choice, else the day, which also counts alone."""
        super().clean()
        data = self.cleaned_data
        day = ENDS.get(data.get("ends", ""), ENDS[""])[1](timezone.localdate())
        data["expires_at"] = self.fields["expires_on"].clean(day) if day else data.get("expires_on")
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
            field = EndField(label=f"Last day of {role}", initial=day)
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
        end, stored = (
            self.cleaned_data.get(self.name_of(role)),
            getattr(self.held.get(role.pk), "expires_at", None),
        )
        same_day = end and stored and timezone.localdate(end) == timezone.localdate(stored)
        return stored if same_day else end


class RoleForm(forms.Form):
    """A role for oneself."""

    def __init__(self, *args, org, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["role"] = RoleField(org=org, label="Role")
