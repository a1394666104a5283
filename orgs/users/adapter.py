from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.contrib.auth import get_user_model


class AccountAdapter(DefaultAccountAdapter):
    """Accounts come from invitations or a superuser unless open sign-up is switched on."""

    def is_open_for_signup(self, request) -> bool:
        return settings.ZENPRO_OPEN_SIGNUP

    def populate_username(self, request, user) -> None:
        if not user.username:
            user.username = get_user_model().objects.free_username(user.email.partition("@")[0])
