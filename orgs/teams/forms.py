from django import forms

from orgs.permissions import Permission

from .models import Team


class TeamForm(forms.ModelForm):
    """Name and description; the organization role only for those who can assign roles."""

    class Meta:
        model = Team
        fields = ["label", "description", "org_role"]
        help_texts = {"description": "What the team works on, in one sentence."}

    def __init__(self, *args, rights, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["label"].widget.attrs["autocomplete"] = "off"
        roles = self.instance.organization.roles.organization_level().prefetch_related("permissions")
        may_give = {role.slug: role.name for role in roles if role.rights <= rights}
        if Permission.MEMBER_MANAGE not in rights or self.instance.org_role not in {"", *may_give}:
            del self.fields["org_role"]
            return
        self.fields["org_role"] = forms.ChoiceField(
            label="Organization role",
            required=False,
            choices=[("", "None"), *may_give.items()],
            help_text="All members have it in addition to their own.",
        )

    def clean_label(self) -> str:
        label, team = self.cleaned_data["label"], self.instance
        if team.organization.teams.filter(label=label).exclude(pk=team.pk).exists():
            raise forms.ValidationError("There is already a team with this name.", code="taken")
        return label

    @property
    def words(self) -> dict[str, str]:
        """What to write, for the actions; the role stays as it was where it may not be changed."""
        return {"org_role": self.initial["org_role"], **self.cleaned_data}


class MemberForm(forms.Form):
    """A member of the organization who is not in the team yet."""

    membership = forms.ModelChoiceField(queryset=None)

    def __init__(self, *args, people, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["membership"].queryset = people
