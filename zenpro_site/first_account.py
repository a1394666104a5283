"""The first superuser, and whom a sign-in link is for until someone has signed in."""

from django.conf import settings
from django.contrib.auth import get_user_model


def make_superuser(password: str | None = None):
    """With the address in ZENPRO_ADMIN_EMAIL. Without a password only a link lets them in."""
    return get_user_model().objects.create_superuser(settings.ZENPRO_ADMIN_EMAIL, password, name="Admin")


def unused_superuser():
    """Whom the sign-in link is for as long as no one has signed in: a start may fail after the account was made."""
    users = get_user_model().objects
    if users.exclude(last_login=None).exists():
        return None
    return users.filter(is_superuser=True, is_active=True).order_by("date_joined").first()


def first_person():
    """Whom a link is for when no one is named: the first superuser, made where there are no accounts yet.

    None once someone has signed in.
    """
    return unused_superuser() if get_user_model().objects.exists() else make_superuser()
