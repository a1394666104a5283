import django_filters
from django import forms

from orgs.access.factors import factor_rows
from orgs.teams.models import Team

from .listing import matching as people_matching


class MemberRoleForm(forms.Form):
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

    become = MemberRoleForm.base_fields["role"]

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
