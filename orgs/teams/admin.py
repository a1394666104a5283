from django import forms
from django.contrib import admin
from django.db.models import Count

from orgs.models import OrgRole
from zenpro_site.common.admin import ActionsAdmin

from . import actions
from .models import Team


class TeamAdminForm(forms.ModelForm):
    org_role = forms.ChoiceField(label="organization role", required=False)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        choices = OrgRole.choices
        if not self.instance._state.adding:
            choices = self.instance.organization.roles.organization_level().values_list("slug", "name")
        self.fields["org_role"].choices = [("", "None"), *choices]


@admin.register(Team)
class TeamAdmin(ActionsAdmin):
    form = TeamAdminForm
    list_display = ["label", "organization", "org_role", "people", "created_at"]
    list_filter = ["organization", "org_role"]
    list_select_related = ["organization"]
    search_fields = ["label", "description", "organization__name"]
    autocomplete_fields = ["organization"]
    fields = ["organization", "label", "description", "org_role", "members", "kept_by"]

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(people_count=Count("user"))

    @admin.display(ordering="people_count")
    def people(self, team) -> int:
        return team.people_count

    @admin.display(description="members")
    def members(self, team) -> str:
        """Read-only; members are added and removed on the team's page."""
        people = team.user_set.all() if team.pk else []
        return ", ".join(f"{person} <{person.email}>" for person in people) or "none"

    @admin.display(description="maintainers")
    def kept_by(self, team) -> str:
        """Read-only; maintainers are appointed on the team's page."""
        people = team.maintainers.select_related("user") if team.pk else []
        return ", ".join(str(membership.user) for membership in people) or "none"

    def get_readonly_fields(self, request, obj=None):
        return ["members", "kept_by", "organization"] if obj else ["members", "kept_by"]

    def save_model(self, request, obj, form, change):
        words = {"label": obj.label, "description": obj.description, "org_role": obj.org_role}
        if change:
            actions.update_team(team=obj, by=request.actor, **words)
            return
        made = actions.create_team(organization=obj.organization, by=request.actor, **words)
        obj.__dict__.update(made.__dict__)

    def delete_model(self, request, obj):
        actions.delete_team(team=obj, by=request.actor)
