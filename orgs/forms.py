import django_filters
from django import forms
from django.urls import reverse_lazy

from .members import matching as people_matching
from .models import RESERVED_SLUGS, Organization
from .teams.models import Team
from .users.two_factor import factor_rows


class OrganizationForm(forms.ModelForm):
    """Name and description of an organization."""

    class Meta:
        model = Organization
        fields = ["name", "description"]
        help_texts = {"description": "What it is for, in one sentence."}

    def clean_name(self) -> str:
        return " ".join(self.cleaned_data["name"].split())


class NewOrganizationForm(OrganizationForm):
    """The slug follows the name while it is typed, and the page says at once when it is taken."""

    class Meta(OrganizationForm.Meta):
        fields = ["name", "slug", "description"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs.update({"autocomplete": "off", "autofocus": True})
        self.fields["slug"].widget.attrs.update(
            {
                "autocomplete": "off",
                "spellcheck": "false",
                "data-slug-of": "id_name",
                "hx-get": reverse_lazy("orgs:create"),
                "hx-target": "#slug-state",
                "hx-swap": "outerHTML",
                "hx-trigger": "input changed delay:250ms",
            }
        )

    def clean_slug(self) -> str:
        slug = self.cleaned_data["slug"]
        if slug in RESERVED_SLUGS or Organization.objects.filter(slug=slug).exists():
            free = Organization.objects.free_slug(slug)
            raise forms.ValidationError(f"“{slug}” is taken. “{free}” is free.", code="taken")
        return slug

    def slug_state(self, slug: str) -> tuple[str, str]:
        """(tone, sentence) for the line under the slug while it is being written."""
        try:
            self.cleaned_data = {"slug": self.fields["slug"].clean(slug)}
            Organization._meta.get_field("slug").run_validators(slug)
            self.clean_slug()
        except forms.ValidationError as error:
            return "bad", " ".join(error.messages)
        return "ok", f"“{slug}” is free."


class DeleteForm(forms.Form):
    """The name typed as it is written, so that no one deletes the wrong organization."""

    name = forms.CharField(label="Type its name to confirm", strip=True)

    def __init__(self, *args, wanted: str, **kwargs):
        super().__init__(*args, **kwargs)
        self.wanted = wanted
        self.fields["name"].widget.attrs.update({"data-equals": wanted, "autocomplete": "off"})

    def clean_name(self) -> str:
        if self.cleaned_data["name"] != self.wanted:
            raise forms.ValidationError(f"Type “{self.wanted}”.")
        return self.wanted


class RoleForm(forms.Form):
    """One of the organization's roles that members can hold."""

    role = forms.ModelChoiceField(
        queryset=None,
        to_field_name="slug",
        error_messages={
            "required": "Choose a role.",
            "invalid_choice": "This organization has no such role.",
        },
    )

    def __init__(self, *args, org, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["role"].queryset = org.roles.organization_level()


GONE = "Someone you selected is no longer a member. Nothing was changed."


class SelectionForm(forms.Form):
    """Members ticked in a list, to whom the same is done."""

    member = forms.ModelMultipleChoiceField(
        queryset=None, error_messages={"required": "Select someone first.", "invalid_choice": GONE}
    )

    def __init__(self, *args, org, **kwargs):
        super().__init__(*args, **kwargs)
        found = org.memberships.select_related("user", "organization")
        self.fields["member"].queryset = found.order_by("user__name", "user__email")

    @property
    def problem(self) -> str:
        """What is wrong, in one line."""
        if self.has_error("member", "invalid"):
            return GONE  # no key at all
        return " ".join(message for messages in self.errors.values() for message in messages)


class ManyRolesForm(SelectionForm):
    """A role for all who are ticked."""

    become = RoleForm.base_fields["role"]

    def __init__(self, *args, org, **kwargs):
        super().__init__(*args, org=org, **kwargs)
        self.fields["become"].queryset = org.roles.organization_level()


class ManyTeamForm(SelectionForm):
    """A team for all who are ticked."""

    into = forms.ModelChoiceField(
        queryset=None,
        to_field_name="uuid",
        error_messages={
            "required": "Choose a team.",
            "invalid_choice": "This organization has no such team.",
        },
    )

    def __init__(self, *args, org, **kwargs):
        super().__init__(*args, org=org, **kwargs)
        self.fields["into"].queryset = org.teams.all()


class MemberFilter(django_filters.FilterSet):
    """Search, role, team and state of the members list. Unknown values are ignored, so old links keep working.

    Without `in_full` it does not tell whose sign-in is weak.
    """

    STATES = {"never": "Never signed in", "inactive": "Deactivated", "weak": "Without two-factor"}

    q = django_filters.CharFilter(method="matching")
    role = django_filters.CharFilter(field_name="role")
    team = django_filters.UUIDFilter(method="in_team")
    state = django_filters.CharFilter(method="in_state")

    def __init__(self, *args, org, in_full=True, **kwargs):
        super().__init__(*args, **kwargs)
        self.org = org
        self.states = {value: label for value, label in self.STATES.items() if in_full or value != "weak"}

    def matching(self, members, name, value):
        return people_matching(members, value)

    def in_team(self, members, name, value):
        inside = Team.user_set.through.objects.filter(group__in=self.org.teams.filter(uuid=value))
        return members.filter(user__in=inside.values("user"))

    def in_state(self, members, name, value):
        if value not in self.states:
            return members
        if value == "weak":
            return members.exclude(user__in=factor_rows().values("user"))
        return (
            members.filter(user__last_active_at=None)
            if value == "never"
            else members.filter(user__is_active=False)
        )

    @property
    def is_used(self) -> bool:
        return any(self.data.get(name) for name in self.filters)
