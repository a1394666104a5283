from django import forms

from orgs.members.listing import matching
from orgs.models import Membership
from orgs.roles.predefined_permissions import actions_of
from orgs.roles.rights_grid import TENANT_GROUPS, action_words, resource_words
from tenants.access.explain.reasons import Question
from tenants.models import Tenant


def _action_choices() -> list[tuple[str, str]]:
    kinds = [kind for kinds in TENANT_GROUPS.values() for kind in kinds]
    actions = dict.fromkeys(action for kind in kinds for action in actions_of(kind))
    return [(action, action_words(action).capitalize()) for action in actions]


def _resource_choices() -> list[tuple[str, list]]:
    return [
        (group, [(kind, resource_words(kind).capitalize()) for kind in kinds])
        for group, kinds in TENANT_GROUPS.items()
    ]


class QuestionForm(forms.Form):
    """Can this person do that in this tenant? The URL holds all of it."""

    person = forms.CharField(max_length=254, label="Who")
    action = forms.ChoiceField(choices=_action_choices, label="can", initial="update")
    resource = forms.ChoiceField(choices=_resource_choices, label="what", initial="pipeline")
    tenant = forms.ChoiceField(
        label="in which tenant",
        error_messages={"invalid_choice": "There is no such tenant, or you can't see it."},
    )
    object = forms.UUIDField(
        required=False, label="One object", help_text="Its id, if it may have been shared."
    )

    def __init__(self, *args, people, tenants, **kwargs):
        super().__init__(*args, **kwargs)
        self.people, self.tenants = people, {tenant.slug: tenant for tenant in tenants}
        self.fields["tenant"].choices = [(slug, tenant.name) for slug, tenant in self.tenants.items()]
        self.fields["object"].widget.attrs.update({"autocomplete": "off", "spellcheck": "false"})

    def clean_person(self) -> Membership:
        """By email address, or by a name that only one member has."""
        value = self.cleaned_data["person"]
        found = list(self.people.filter(user__email__iexact=value)) or list(matching(self.people, value)[:2])
        if not found:
            raise forms.ValidationError("No member has that name. Invite them first.")
        if len(found) > 1:
            raise forms.ValidationError("Several people have that name. Use an email address.")
        return found[0]

    def clean_tenant(self) -> Tenant:
        return self.tenants[self.cleaned_data["tenant"]]

    def question(self) -> Question:
        """Of a form that is valid."""
        asked = self.cleaned_data
        one = asked["object"]
        return Question(
            asked["person"].user,
            asked["tenant"],
            asked["action"],
            asked["resource"],
            str(one) if one else None,
        )
