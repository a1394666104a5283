from django.contrib import admin

from zenpro_site.common.admin import ReadOnlyAdmin

from .models import Invitation


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """Sent, renewed and revoked on the organization's page, where the link can be shown once."""

    list_display = [
        "email",
        "organization",
        "role",
        "invited_by",
        "sent_at",
        "expires_at",
        "delivery",
        "ended",
    ]
    list_filter = ["mail__state", "role", "organization"]
    list_select_related = ["organization", "invited_by", "mail"]
    search_fields = ["email", "organization__name", "invited_by__email", "invited_by__name"]
    hidden = ("token_hash",)

    @admin.display(description="state")
    def ended(self, invitation) -> str:
        if invitation.accepted_at:
            return "Accepted"
        if invitation.revoked_at:
            return "Revoked"
        return "Expired" if invitation.expired else "Waiting"
