"""What is kept of tenants: the tenant itself, who has access, what was shared, and accounts inside their servers."""

from .accounts import TenantAccount
from .grants import HOLDERS, InvitationGrant, TenantGrant
from .homes import DefaultHome
from .moves import TenantMove
from .saved_run_views import SavedRunView
from .shares import Share
from .tenant import (
    Tenant,
    TenantGroupObjectPermission,
    TenantUserObjectPermission,
    held_rows,
    new_secrets,
)
from .unknown_rights import UnknownRight

__all__ = [
    "HOLDERS",
    "DefaultHome",
    "InvitationGrant",
    "SavedRunView",
    "Share",
    "Tenant",
    "TenantAccount",
    "TenantGrant",
    "TenantGroupObjectPermission",
    "TenantMove",
    "TenantUserObjectPermission",
    "UnknownRight",
    "held_rows",
    "new_secrets",
]
