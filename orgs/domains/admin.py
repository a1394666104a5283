from django import forms
from django.contrib import admin

from orgs.models import OrgRole
from zenpro_site.common.admin import ActionsAdmin, ReadOnlyAdmin

from . import actions
from .models import PUBLIC, Departure, OrganizationDomain, to_ascii

WARNING = (
    "Anyone can get an address at {}, so anyone could become a member of {}. Select the box if you are sure."
)


class DomainForm(forms.ModelForm):
    role = forms.ChoiceField(
        choices=OrgRole.choices, initial=OrgRole.MEMBER, help_text="The role of new members."
    )
    anybody = forms.BooleanField(
        required=False,
        label="Let in everyone with an address at a public email provider",
        help_text="For domains such as gmail.com.",
    )

    class Meta:
        model = OrganizationDomain
        fields = ["organization", "domain", "role"]
        help_texts = {"domain": "The part behind the @, without subdomains: example.org."}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            roles = self.instance.organization.roles.organization_level()
            self.fields["role"].choices = roles.values_list("slug", "name")

    def clean_domain(self) -> str:
        return to_ascii(self.cleaned_data["domain"].strip().lstrip("@"))

    def clean(self):
        found = super().clean()
        domain = found.get("domain", "")
        if domain in PUBLIC and not found.get("anybody"):
            self.add_error("anybody", WARNING.format(domain, found.get("organization", "the organization")))
        return found


@admin.register(OrganizationDomain)
class OrganizationDomainAdmin(ActionsAdmin):
    """A domain is never changed into another one: remove it and add the other."""

    form = DomainForm
    list_display = ["domain", "organization", "role", "is_public", "created_by", "created_at"]
    list_filter = ["role", "organization"]
    list_select_related = ["organization", "created_by"]
    search_fields = ["domain", "organization__name", "organization__slug"]
    autocomplete_fields = ["organization"]

    def get_fields(self, request, obj=None) -> list[str]:
        return ["organization", "domain", "role"] if obj else ["organization", "domain", "role", "anybody"]

    def get_readonly_fields(self, request, obj=None) -> list[str]:
        return ["organization", "domain"] if obj else []

    @admin.display(boolean=True, description="public mail provider")
    def is_public(self, domain) -> bool:
        return domain.is_public

    def save_model(self, request, obj, form, change):
        if change:
            actions.change_role(domain=obj, role=form.cleaned_data["role"], by=request.actor)
        else:
            actions.add_domain(domain=obj, by=request.actor)

    def delete_model(self, request, obj):
        actions.remove_domain(domain=obj, by=request.actor)


@admin.register(Departure)
class DepartureAdmin(ReadOnlyAdmin):
    list_display = ["user", "organization", "at"]
    list_filter = ["organization", "at"]
    list_select_related = ["user", "organization"]
    search_fields = ["user__email", "user__name", "organization__name"]
