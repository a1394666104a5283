"""What the cluster refuses, in the words of a real API server (see recorded.json)."""

from .kinds import Key, Kind


class Refusal(Exception):
    """`status` is the answer's body: a Status with code, reason, message and details."""

    def __init__(self, code: int, reason: str, message: str, details: dict | None = None):
        super().__init__(message)
        self.code, self.message = code, message
        self.status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "details": details or {},
            "code": code,
        }


def _of(key: Key, **more) -> dict:
    return {"name": key.name, "group": key.kind.group, "kind": key.kind.plural, **more}


def _quoted(key: Key) -> str:
    return f'{key.kind.resource} "{key.name}"'


def no_such_path() -> Refusal:
    return Refusal(404, "NotFound", "the server could not find the requested resource")


def bad_request(message: str) -> Refusal:
    return Refusal(400, "BadRequest", message)


def not_found(key: Key) -> Refusal:
    return Refusal(404, "NotFound", f"{_quoted(key)} not found", _of(key))


def exists(key: Key) -> Refusal:
    return Refusal(409, "AlreadyExists", f"{_quoted(key)} already exists", _of(key))


def modified(key: Key) -> Refusal:
    words = "the object has been modified; please apply your changes to the latest version and try again"
    return Refusal(409, "Conflict", f"Operation cannot be fulfilled on {_quoted(key)}: {words}", _of(key))


def other_uid(key: Key, wanted: str, found: str) -> Refusal:
    words = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
    return Refusal(409, "Conflict", f"Operation cannot be fulfilled on {_quoted(key)}: {words}", _of(key))


def forbidden(key: Key, why: str, *causes: dict) -> Refusal:
    details = _of(key, causes=list(causes)) if causes else _of(key)
    return Refusal(403, "Forbidden", f"{_quoted(key)} is forbidden: {why}", details)


def terminating(key: Key) -> Refusal:
    space = key.namespace
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {space} is being terminated",
        "field": "metadata.namespace",
    }
    return forbidden(
        key, f"unable to create new content in namespace {space} because it is being terminated", cause
    )


def over_quota(key: Key, name: str, *amounts: dict[str, str]) -> Refusal:
    """`amounts`: what was requested, used and limited, of what does not fit."""
    said = [",".join(f"{what}={much}" for what, much in sorted(one.items())) for one in amounts]
    requested, used, limited = said
    return forbidden(key, f"exceeded quota: {name}, requested: {requested}, used: {used}, limited: {limited}")


def unspecified(key: Key, name: str, missing: dict[str, list[str]]) -> Refusal:
    """`missing`: what a quota counts -> the containers that do not say how much of it they want."""
    said = "; ".join(f"{what} for: {','.join(containers)}" for what, containers in sorted(missing.items()))
    return forbidden(key, f"failed quota: {name}: must specify {said}")


def not_allowed(user: str, verb: str, kind: Kind, namespace: str, name: str, sub: str = "") -> Refusal:
    """RBAC knows no rule that allows it."""
    what, resource = f' "{name}"' if name else "", f"{kind.plural}/{sub}" if sub else kind.plural
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    message = (
        f'{kind.resource}{what} is forbidden: User "{user}" cannot {verb} resource "{resource}" '
        f'in API group "{kind.group}" {where}'
    )
    return Refusal(403, "Forbidden", message, _of(Key(kind, namespace, name)))


def unauthorized() -> Refusal:
    return Refusal(401, "Unauthorized", "Unauthorized")


def denied(webhook: str, why: str, code: int) -> Refusal:
    reason = {400: "BadRequest", 403: "Forbidden"}.get(code, "")
    return Refusal(code, reason, f'admission webhook "{webhook}" denied the request: {why}')


def invalid(key: Key, field: str, why: str) -> Refusal:
    cause = {"reason": "FieldValueInvalid", "message": why, "field": field}
    details = {**_of(key, causes=[cause]), "kind": key.kind.name}
    return Refusal(422, "Invalid", f'{key.kind.full_name} "{key.name}" is invalid: {field}: {why}', details)


def immutable(key: Key, field: str, value: str) -> Refusal:
    return invalid(key, field, f"Invalid value: {value}: field is immutable")


def not_fully_owned(conflicts: list[tuple[str, str]]) -> Refusal:
    """Apply without force: (who has it, field) of each conflict."""
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": field}
        for who, field in conflicts
    ]
    return Refusal(409, "Conflict", _conflict_message(conflicts), {"causes": causes})


def _conflict_message(conflicts: list[tuple[str, str]]) -> str:
    if len(conflicts) == 1:
        who, field = conflicts[0]
        return f"Apply failed with 1 conflict: conflict with {who}: {field}"
    lines = []
    for who in sorted({who for who, _ in conflicts}):
        lines += [f"conflicts with {who}:", *[f"- {field}" for by, field in conflicts if by == who]]
    return f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)


def no_watch_list() -> Refusal:
    words = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
    return Refusal(
        422, "Invalid", f'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: {words}'
    )


def too_old(wanted: int, oldest: int) -> Refusal:
    return Refusal(410, "Expired", f"too old resource version: {wanted} ({oldest})")
