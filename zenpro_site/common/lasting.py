"""What is still valid at this moment."""

from django.db.models import Q
from django.utils import timezone


def lasting(relation: str = "", at=None) -> Q:
    """Rows, or rows of the relation, whose `expires_at` is empty or still to come; `at` another time than now."""
    name = f"{relation}__expires_at" if relation else "expires_at"
    return Q(**{name: None}) | Q(**{f"{name}__gt": at or timezone.now()})
