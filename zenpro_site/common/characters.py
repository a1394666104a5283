"""Text that no database takes: NUL, and halves of surrogate pairs. Refused before anyone reads the request.

And text for a terminal."""

import json
import re
from http import HTTPStatus

from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.http import JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render

UNSTORABLE = re.compile("[\0\ud800-\udfff]")
ESCAPED = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")  # how JSON writes them
# What comes here is a file, which its view reads piece by piece.
FILES = re.compile(
    r"/push/|/api/v1/organizations/[^/]+/tenants/[^/]+/templates/[^/]+/code|/api/moves/[^/]+/database"
)
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
UNREADABLE = (BadRequest, SuspiciousOperation, MultiPartParserError, UnreadablePostError)
SENTENCE = "The request contains a character that cannot be stored: NUL, or half of a surrogate pair."


def storable(value) -> bool:
    """Can all text of this value (of JSON) be stored? Looks at any depth."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            if UNSTORABLE.search(one):
                return False
        elif isinstance(one, dict):
            waiting += [*one, *one.values()]
        elif isinstance(one, list | tuple):
            waiting += one
    return True


def printable(text: str) -> str:
    """One line for a terminal: what a server or a package wrote may hold signs that steer it."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def refused(request):
    """The answer 400 to a request with text that no database takes; None for all others."""
    try:
        fine = _readable(request)
    except UNREADABLE as error:
        if request.path_info.startswith("/api/"):
            return _cannot_read(request, error)
        if isinstance(error, OSError):  # who asks hung up
            raise BadRequest("The request can't be read.") from error
        raise
    return None if fine else refusal(request, SENTENCE)


def _cannot_read(request, error: Exception) -> JsonResponse:
    if isinstance(error, RequestDataTooBig):
        return refusal(request, "The body is too large.", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return refusal(request, "The body cannot be read.")


def _readable(request) -> bool:
    headers = [value for name, value in request.META.items() if name.startswith("HTTP_")]
    outside = [request.path_info, *headers, *request.COOKIES.items(), *request.GET.lists()]
    return storable(outside) and _body_is_readable(request)


def _body_is_readable(request) -> bool:
    if request.method in ("GET", "HEAD"):
        return True
    if FILES.fullmatch(request.path_info):
        return True
    if request.path_info.startswith("/api/"):
        request.body  # noqa: B018 - kept for views that read JSON whatever it calls itself
    if request.content_type in FORMS:
        return storable([*request.POST.lists(), *request.FILES])  # Django cleans the names of files itself
    try:
        text = request.body.decode()
    except UnicodeDecodeError:
        return False
    return not UNSTORABLE.search(text) and (not ESCAPED.search(text) or _json_is_storable(text))


def _json_is_storable(text: str) -> bool:
    """Most escapes are halves that belong together. What is no JSON is the view's to refuse."""
    try:
        return storable(json.loads(text))
    except (ValueError, RecursionError):
        return True


def refusal(request, sentence: str, status: int = HTTPStatus.BAD_REQUEST):
    """A refusal in the words of who asks: ZenML's servers and clients, the JSON API, a browser."""
    if request.path_info.startswith("/api/v1/"):
        return JsonResponse({"detail": sentence}, status=status)
    if request.path_info.startswith("/api/"):
        return JsonResponse({"detail": ["ValueError", sentence]}, status=status)
    return render(request, "400.html", {"sentence": sentence}, status=status)
