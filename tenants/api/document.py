"""The OpenAPI document: what ninja writes, plus the answers that every operation can give."""

from functools import cache

from django.conf import settings

from .app import api
from .problems import Fault, Faults, Problem

WORDS = {
    "400": "The body is not JSON",
    "401": "No key, or an invalid one",
    "402": "A limit is reached",
    "403": "You can't do this",
    "404": "There is nothing here, or nothing you can see",
    "409": "It already exists, or a rule forbids it: the sentence says which",
    "422": "Invalid: what is wrong, and where",
    "503": "The tenant's server could not answer",
}


@cache
def document() -> dict:
    """OpenAPI 3.1, with whole paths."""
    found = api.get_openapi_schema(path_prefix="/api/v1/")
    found["servers"] = [{"url": settings.ZENPRO_URL}]
    schemas = found["components"]["schemas"]
    for shape in (Problem, Fault, Faults):
        schema = shape.model_json_schema(ref_template="#/components/schemas/{model}")
        schema.pop("$defs", None)
        schemas[shape.__name__] = schema
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            _complete(path, method, operation)
    return found


def _complete(path: str, method: str, operation: dict) -> None:
    operation["summary"] = operation["operationId"].replace("_", " ").capitalize()
    statuses = {"400", "401", "403", "422"}
    statuses |= {"404"} if "{" in path else set()
    statuses |= {"409"} if method != "get" else set()
    statuses |= {"400"} if "requestBody" in operation else set()
    given = operation["responses"]
    statuses |= {str(status) for status in given if str(status) in WORDS}
    success = {str(status): answer for status, answer in given.items() if str(status) not in WORDS}
    for answer in success.values():
        answer["description"] = "Done"
    operation["responses"] = success | {status: _answer(status) for status in sorted(statuses)}


def _answer(status: str) -> dict:
    shape = "Faults" if status == "422" else "Problem"
    schema = {"$ref": f"#/components/schemas/{shape}"}
    return {"description": WORDS[status], "content": {"application/json": {"schema": schema}}}
