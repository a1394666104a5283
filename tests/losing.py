"""Ways in which somebody loses what they may do in a tenant: `lose(person, tenant)`."""

from django.utils import timezone
from factories import make_member

from orgs.members.actions import remove_member
from orgs.users.models import Actor
from tenants.models import Tenant


def role_ends(person, tenant):
    tenant.grants.filter(membership__user=person).delete()


def is_removed(person, tenant):
    remove_member(membership=person.membership, by=Actor(make_member(tenant.organization, "admin")))


def is_deactivated(person, tenant):
    person.is_active = False
    person.save()


def tenant_is_deleted(person, tenant):
    Tenant.objects.filter(pk=tenant.pk).update(desired_state="deleted", deleted_at=timezone.now())


def two_factor_is_required(person, tenant):
    tenant.organization.requires_two_factor = True
    tenant.organization.save()


WAYS = [role_ends, is_removed, is_deactivated, tenant_is_deleted, two_factor_is_required]
