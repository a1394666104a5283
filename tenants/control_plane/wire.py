"""How the unmodified ZenML client and server talk: error bodies, forms, JSON (protocol §4)."""

import json
from http import HTTPStatus
from uuid import UUID

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError

from zenpro_site.common.identifiers import uuid_or_none

MOST = 10_000  # texts in one list: servers ask about a page of objects, at most 1,000
# A body that can't be read: too large, with too many fields, cut off, or not a form.
UNREADABLE = (SuspiciousOperation, UnreadablePostError, MultiPartParserError)


class WireError(Exception):
    """An answer other than 200: `name` is the exception that ZenML raises on its side."""

    def __init__(self, status: int, name: str, message: str):
        super().__init__(message)
        self.status, self.name, self.message = status, name, message

    def response(self) -> JsonResponse:
        return JsonResponse({"detail": [self.name, self.message]}, status=self.status)


def not_signed_in(message: str) -> WireError:
    return WireError(HTTPStatus.UNAUTHORIZED, "CredentialsNotValid", message)


def forbidden(message: str) -> WireError:
    """A server passes this one on to its client, so the message is for people."""
    return WireError(HTTPStatus.FORBIDDEN, "IllegalOperationError", message)


def used_up(message: str) -> WireError:
    """A limit is reached. Servers know it by the status and pass the body on."""
    return WireError(HTTPStatus.PAYMENT_REQUIRED, "SubscriptionUpgradeRequiredError", message)


def invalid(message: str) -> WireError:
    return WireError(HTTPStatus.UNPROCESSABLE_ENTITY, "ValueError", message)


def unreadable(error: Exception) -> WireError:
    """For what Django raises while it reads a body (UNREADABLE)."""
    if isinstance(error, RequestDataTooBig):
        return too_large("The body is too large.")
    return WireError(HTTPStatus.BAD_REQUEST, "ValueError", "The body cannot be read.")


def too_large(message: str) -> WireError:
    return WireError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "ValueError", message)


def json_body(request):
    """The request's JSON. Raises WireError 422, and what UNREADABLE names."""
    try:
        return json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise invalid("The body is not JSON.") from error


def json_object(request) -> dict:
    """The request's JSON object. Raises WireError 422."""
    body = json_body(request)
    if not isinstance(body, dict):
        raise invalid("The body is not a JSON object.")
    return body


def strings(value, name: str) -> list[str]:
    """Raises WireError 422 unless it is a list of strings, 413 for more than MOST."""
    if isinstance(value, list) and len(value) > MOST:
        raise too_large(f"{name} has more than {MOST} entries.")
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise invalid(f"{name} is not a list of strings.")
    return value


def text(value, name: str, longest: int) -> str:
    """A line of printable text. Raises WireError 422."""
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= longest:
        raise invalid(f"{name} must be a text of 1 to {longest} printable characters.")
    return value


def uuid(value, name: str) -> UUID:
    """Raises WireError 422."""
    found = uuid_or_none(value)
    if found is None:
        raise invalid(f"{name} is not a UUID.")
    return found


def count(value, default: int) -> int:
    """A number of things, 0 to 1000. Raises WireError 422."""
    if value is None:
        return default
    if not (isinstance(value, str) and value.isascii() and value.isdigit() and int(value) <= 1000):
        raise invalid("This must be a number from 0 to 1000.")
    return int(value)
