"""The JSON API: all its operations, and how it answers."""

from ninja import NinjaAPI

from . import (
    audit,
    grants,
    invitations,
    members,
    organizations,
    roles,
    runs,
    service_accounts,
    teams,
    template_presets,
    template_rules,
    templates,
    tenants,
    tokens,
)
from .problems import add_handlers

ABOUT = """Everything the pages do, for scripts. Send a key as `Authorization: Bearer ZENPROKEY_...`: a personal token \
(Settings, Your keys) or a service account's key. It can do what its account can do, or less when it is bound to one \
organization or tenant. Organizations and tenants are named by id or by slug."""
ROUTERS = (
    organizations,
    members,
    invitations,
    teams,
    roles,
    tenants,
    grants,
    templates,
    template_presets,
    template_rules,
    runs,
)


class Api(NinjaAPI):
    def get_openapi_operation_id(self, operation) -> str:
        return operation.view_func.__name__


api = Api(
    title="ZenPro", version="1", description=ABOUT, openapi_url=None, docs_url=None, urls_namespace="api"
)
for module in (*ROUTERS, service_accounts, tokens, audit):
    api.add_router("", module.router)
add_handlers(api)
