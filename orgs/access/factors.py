"""Second factors at sign-in, as allauth keeps them."""

from allauth.mfa.models import Authenticator
from django.db.models import QuerySet

FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)  # recovery codes alone are none


def factor_rows() -> QuerySet:
    """Everyone's second factors."""
    return Authenticator.objects.filter(type__in=FACTORS)


def has_two_factor(person) -> bool:
    """Does signing in ask the person for more than a password? One query."""
    return factor_rows().filter(user_id=person.pk).exists()
