"""Rows belong to an organization, and the database knows it."""

from functools import cache

from django.apps import apps
from django.core.management import call_command
from django.db.models import CASCADE, ForeignKey, OneToOneField

from orgs.models import Organization
from tenants.models.tenant import servers_first

from .walk import PACKAGES

# Models that do not end with an organization, each with its reason.
FREE = {
    "users.User": "a person may be in many organizations; usernames are never given again",
    "users.User_groups": "Django's own table between a person and their teams; ends with the team",
    "users.User_user_permissions": "Django's own table, unused: rights come from roles",
    "run_templates.OwnNotice": "of a person, in all their organizations; ends with them",
    "webhooks.Webhook": "of a template or of a person; ends with either",
    "audit.AuditEvent": "outlives what it tells of",
    "audit.AuditHead": "one row for the whole installation",
    "control_plane.DeviceLogin": "of a person, once they have answered; ends with them, or expires",
    "control_plane.ApiKey": "of a person or a service account; ends with it",
    "control_plane.AccessToken": "of a person or of a tenant; ends with either",
}


def our_models():
    for config in apps.get_app_configs():
        if config.name.split(".")[0] in PACKAGES:
            yield from config.get_models(include_auto_created=True)


@cache
def ends_with_organization(model) -> bool:
    """Does a chain of keys that cannot be empty and that cascade lead to Organization? Servers are stopped first."""
    if model is Organization:
        return True
    keys = [field for field in model._meta.get_fields() if isinstance(field, ForeignKey | OneToOneField)]
    firm = [key for key in keys if not key.null and key.remote_field.on_delete in (CASCADE, servers_first)]
    return any(key.related_model is not model and ends_with_organization(key.related_model) for key in firm)


def test_every_model_ends_with_its_organization():
    loose = {model._meta.label for model in our_models() if not ends_with_organization(model)}
    assert loose - set(FREE) == set(), "These need a non-null key with CASCADE towards Organization."


def test_free_list_is_not_stale():
    loose = {model._meta.label for model in our_models() if not ends_with_organization(model)}
    assert set(FREE) - loose == set(), "These are gone, or belong to an organization by now."


def test_migrations_are_complete(db):
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
