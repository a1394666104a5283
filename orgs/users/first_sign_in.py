"""The sign-in link of the first superuser: printed once, good for one sign-in."""

from django.contrib.auth import get_user_model
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode


class FirstSignInToken(PasswordResetTokenGenerator):
    """Dies with the first sign-in, a new password, or settings.PASSWORD_RESET_TIMEOUT."""

    key_salt = "orgs.users.first_sign_in.FirstSignInToken"


tokens = FirstSignInToken()


def make_path(user) -> str:
    """Path of the one-time link for this user."""
    return reverse("first_sign_in", args=[urlsafe_base64_encode(user.pk.bytes), tokens.make_token(user)])


def user_of(uid: str, token: str):
    """The user this link signs in, or None when it is wrong, used or too old."""
    users = get_user_model().objects.filter(is_active=True)
    try:
        user = users.filter(pk=urlsafe_base64_decode(uid).hex()).first()
    except (ValueError, ValidationError):
        return None
    return user if user and tokens.check_token(user, token) else None
