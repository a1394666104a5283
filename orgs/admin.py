from django import forms
from django.contrib import admin

from orgs.access.places import places
from orgs.members import actions as member_actions
from orgs.organizations import actions
from zenpro_site.common.admin import ActionsAdmin
from zenpro_site.common.sql import number_of

from .models import Membership, Organization, OrgRole


@admin.register(Organization)
class OrganizationAdmin(ActionsAdmin):
    list_display = ["name", "slug", "people", "tenant_count", "created_at"]
    search_fields = ["name", "slug", "description"]
    list_filter = ["created_at"]
    fields = ["name", "slug", "description"]
    prepopulated_fields = {"slug": ["name"]}

    def get_queryset(self, request):
        counts = {
            "people_count": number_of(Membership.objects, "organization"),
            "tenants_count": places().number(),
        }
        return super().get_queryset(request).annotate(**counts)

    @admin.display(ordering="people_count")
    def people(self, organization) -> int:
        return organization.people_count

    @admin.display(description="tenants", ordering="tenants_count")
    def tenant_count(self, organization) -> int:
        return organization.tenants_count

    def get_readonly_fields(self, request, obj=None):
        return ["slug"] if obj else []

    def get_prepopulated_fields(self, request, obj=None):
        return {} if obj else self.prepopulated_fields

    def save_model(self, request, obj, form, change):
        words = {"name": obj.name, "description": obj.description, "by": request.actor}
        if change:
            actions.update_organization(organization=obj, **words)
            return
        made = actions.create_organization(slug=obj.slug, **words)
        obj.pk, obj._state.adding = made.pk, False

    def delete_model(self, request, obj):
        actions.delete_organization(organization=obj, by=request.actor)


class MembershipForm(forms.ModelForm):
    role = forms.ChoiceField(choices=OrgRole.choices)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            roles = self.instance.organization.roles.organization_level()
            self.fields["role"].choices = roles.values_list("slug", "name")


@admin.register(Membership)
class MembershipAdmin(ActionsAdmin):
    form = MembershipForm
    list_display = ["user", "organization", "role", "created_at"]
    list_filter = ["role", "organization"]
    list_select_related = ["user", "organization"]
    search_fields = ["user__email", "user__name", "organization__name", "organization__slug"]
    autocomplete_fields = ["user", "organization"]
    fields = ["organization", "user", "role"]

    def get_readonly_fields(self, request, obj=None):
        return ["organization", "user"] if obj else []

    def save_model(self, request, obj, form, change):
        role = obj.organization.roles.organization_level().get(slug=form.cleaned_data["role"])
        if change:
            member_actions.change_role(membership=obj, role=role, by=request.actor)
            return
        made = member_actions.add_member(
            organization=obj.organization, person=obj.user, role=role, by=request.actor
        )
        obj.pk, obj._state.adding = made.pk, False

    def delete_model(self, request, obj):
        member_actions.remove_member(membership=obj, by=request.actor)
