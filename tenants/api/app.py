"""The JSON API: all its operations, and how it answers."""

from ninja import NinjaAPI

from . import organizations, teams
from .problems import add_handlers

ABOUT = """Everything the pages do, for scripts. Send a key as `Authorization: Bearer ZENPROKEY_...`: a personal token from
*Settings, Tokens*, or a service account's key. It may do what its account may do, or less when it is bound to one
organization or tenant. Organizations and tenants are named by id or by slug."""


class Api(NinjaAPI):
    def get_openapi_operation_id(self, operation) -> str:
        return operation.view_func.__name__


api = Api(
    title="ZenPro", version="1", description=ABOUT, openapi_url=None, docs_url=None, urls_namespace="api"
)
for module in (organizations, teams):
    api.add_router("", module.router)
add_handlers(api)
