from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.contrib.auth import get_user_model


class AccountAdapter(DefaultAccountAdapter):
    """Accounts come from invitations or a superuser unless open sign-up is switched on."""

    def is_open_for_signup(self, request) -> bool:
        return settings.ZENPRO_OPEN_SIGNUP

    def pre_login(self, request, user, **kwargs):
        """Service accounts work with keys alone, even if somebody gave one a password."""
        user.is_active = (
            user.is_active and not user.is_service_account
        )  # for this sign-in only: nothing is saved
        return super().pre_login(request, user, **kwargs)

    def send_password_reset_mail(self, user, email, context) -> None:
        if not user.is_service_account:  # its address leads nowhere
            super().send_password_reset_mail(user, email, context)

    def populate_username(self, request, user) -> None:
        if not user.username:
            user.username = get_user_model().objects.free_username(user.email.partition("@")[0])
