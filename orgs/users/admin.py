from allauth.account.admin import EmailAddress
from allauth.mfa.admin import Authenticator
from allauth.socialaccount.admin import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.admin import UserSession
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import BaseUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group

from zenpro_site.common.admin import ActionsAdmin, ReadOnlyAdmin
from zenpro_site.common.mailboxes import normal

from . import actions
from .models import User

# Teams are groups; changed as bare groups they would lose their organization.
admin.site.unregister(Group)
# Addresses are confirmed by their owners, sessions and second factors are their own.
for model in (EmailAddress, UserSession, Authenticator):
    admin.site.unregister(model)
# The provider comes from the environment, and what it gives us for its own use is not stored.
for model in (SocialAccount, SocialApp, SocialToken):
    admin.site.unregister(model)


class MailboxField(forms.EmailField):
    """Cleans to the normal form, so that a look-alike of an address that is taken is refused as that address."""

    def to_python(self, value):
        return normal(super().to_python(value))


class PersonChangeForm(UserChangeForm):
    email = MailboxField(label="Email")


class PersonCreationForm(BaseUserCreationForm):
    """The username follows from the address, so no one types it."""

    class Meta:
        model = User
        fields = ["email", "name"]

    email = MailboxField(label="Email")


@admin.register(User)
class PersonAdmin(ActionsAdmin, UserAdmin):
    form = PersonChangeForm
    add_form = PersonCreationForm
    list_display = ["email", "name", "is_active", "is_superuser", "is_service_account", "last_active_at"]
    list_filter = ["is_active", "is_superuser", "is_service_account", "memberships__organization"]
    search_fields = ["email", "name", "username"]
    ordering = ["email"]
    filter_horizontal = []
    readonly_fields = ["username", "date_joined", "last_active_at", "last_login"]
    fieldsets = [
        (None, {"fields": ["email", "name", "username", "password"]}),
        ("Permissions", {"fields": ["is_active", "is_staff", "is_superuser"]}),
        ("Dates", {"fields": ["date_joined", "last_login", "last_active_at"]}),
    ]
    add_fieldsets = [(None, {"fields": ["email", "name", "password1", "password2"]})]

    def save_model(self, request, obj, form, change):
        if change:
            actions.change_person(person=obj, by=request.actor)
        else:
            actions.create_person(person=obj, by=request.actor)

    def user_change_password(self, request, id, form_url=""):
        response = super().user_change_password(request, id, form_url)
        if request.method == "POST" and response.status_code == 302:
            actions.password_was_set(person=self.get_object(request, id), by=request.actor)
        return response

    def has_delete_permission(self, request, obj=None) -> bool:
        """Usernames are never given again, so accounts are made inactive instead."""
        return False


@admin.register(EmailAddress)
class EmailAddressAdmin(ReadOnlyAdmin):
    list_display = ["email", "user", "verified", "primary"]
    list_filter = ["verified", "primary"]
    list_select_related = ["user"]
    search_fields = ["email", "user__email", "user__name"]


@admin.register(UserSession)
class UserSessionAdmin(ReadOnlyAdmin):
    hidden = ("session_key", "data")
    list_display = ["user", "ip", "user_agent", "created_at", "last_seen_at"]
    list_filter = ["last_seen_at"]
    list_select_related = ["user"]
    search_fields = ["user__email", "user__name", "ip"]


@admin.register(SocialAccount)
class SocialAccountAdmin(ReadOnlyAdmin):
    list_display = ["user", "provider", "date_joined", "last_login"]
    list_filter = ["provider", "date_joined"]
    list_select_related = ["user"]
    search_fields = ["user__email", "user__name"]


@admin.register(Authenticator)
class AuthenticatorAdmin(ActionsAdmin, ReadOnlyAdmin):
    """Read-only, except for removing one that its owner lost."""

    hidden = ("data",)
    list_display = ["user", "type", "created_at", "last_used_at"]
    list_filter = ["type"]
    list_select_related = ["user"]
    search_fields = ["user__email", "user__name"]

    def has_delete_permission(self, request, obj=None) -> bool:
        return request.user.is_superuser

    def delete_model(self, request, obj):
        actions.remove_factor(factor=obj, by=request.actor)
