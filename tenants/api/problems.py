"""Answers other than success: `{"detail": ...}`, a sentence, or for 422 what is wrong and where."""

from http import HTTPStatus

from django.core.exceptions import PermissionDenied
from django.http import Http404
from ninja import Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError
from pydantic import Field

from tenants.hosting.base import TenantError, TenantNotFound, TenantRefused
from tenants.run_templates.actions import InvalidConfiguration, TemplateRefused
from zenpro_site.common.refusals import Refused
from zenpro_site.common.sealing import SecretsUnreadable

NOWHERE = "There is nothing here, or nothing you can see."
TAKEN = "taken"  # code of a form's error that says that the name is taken


class Problem(Schema):
    """Why nothing was done, as a sentence for people."""

    detail: str


class Fault(Schema):
    loc: list[str | int] = Field(description='Where: `["body", "name"]`.')
    msg: str
    type: str


class Faults(Schema):
    """What is wrong with the call, and where."""

    detail: list[Fault]


class Invalid(Exception):
    """The call is invalid: 422, or 409 if the only fault is that a name is taken."""

    def __init__(self, faults: list[dict]):
        super().__init__(faults)
        self.faults = faults

    @property
    def status(self) -> int:
        taken = all(fault["type"] == TAKEN for fault in self.faults)
        return HTTPStatus.CONFLICT if taken else HTTPStatus.UNPROCESSABLE_ENTITY


def fault(message: str, *where, kind: str = "value_error") -> dict:
    return {"loc": ["body", *where], "msg": message, "type": kind}


def checked(form, **names) -> dict:
    """What the form makes of its data. Raises Invalid; `names`: its field -> how the call names it."""
    if form.is_valid():
        return form.cleaned_data
    raise Invalid(
        [
            fault(message, *_where(field, names), kind=error.code or "value_error")
            for field, errors in form.errors.as_data().items()
            for error in errors
            for message in error.messages
        ]
    )


def _where(field: str, names: dict) -> list:
    place = [] if field == "__all__" else names.get(field, field)
    return place if isinstance(place, list) else [place]


def add_handlers(api) -> None:
    """Tell the API how exceptions of actions and forms are answered."""

    def answer(status, detail):
        return api.create_response(None, {"detail": detail}, status=status)

    def not_signed_in(request, error):
        response = answer(HTTPStatus.UNAUTHORIZED, _words(error))
        response["WWW-Authenticate"] = 'Bearer realm="ZenPro"'
        return response

    def invalid(request, error):
        if error.status == HTTPStatus.CONFLICT:
            return answer(error.status, " ".join(fault["msg"] for fault in error.faults))
        return answer(error.status, error.faults)

    handlers = {
        AuthenticationError: not_signed_in,
        HttpError: lambda request, error: answer(error.status_code, str(error)),
        ValidationError: lambda request, error: answer(422, [_fault(one) for one in error.errors]),
        Invalid: invalid,
        Http404: lambda request, error: answer(404, NOWHERE),
        PermissionDenied: lambda request, error: answer(403, str(error) or "You can't do this."),
        Refused: lambda request, error: answer(getattr(error, "status", HTTPStatus.CONFLICT), str(error)),
        TemplateRefused: lambda request, error: invalid(request, _of_template(error)),
        InvalidConfiguration: lambda request, error: answer(
            422, [_of_configuration(p) for p in error.problems]
        ),
        SecretsUnreadable: lambda request, error: answer(503, str(error)),
        TenantNotFound: lambda request, error: answer(422, [fault(error.reason, "run")]),
        TenantRefused: lambda request, error: answer(403, error.reason),
        TenantError: lambda request, error: answer(503, f"The tenant could not answer: {error.reason}"),
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)


def _words(error) -> str:
    return (
        error.message
        if error.message != "Unauthorized"
        else "Send a key: “Authorization: Bearer ZENPROKEY_...”."
    )


def _fault(error: dict) -> dict:
    """Pydantic's error without what was sent, and without our name for the whole body."""
    source, *rest = error["loc"]
    path = [part for part in rest if part not in ("body", "query")] if source in ("body", "query") else rest
    return {"loc": [source, *path], "msg": error["msg"], "type": error["type"]}


def _of_template(error: TemplateRefused) -> Exception:
    kind = TAKEN if error.field in ("name", "") else "value_error"
    return Invalid([fault(error.reason, *([error.field] if error.field else []), kind=kind)])


def _of_configuration(problem) -> dict:
    return fault(problem.message, "configuration", *filter(None, problem.path.split(".")))
