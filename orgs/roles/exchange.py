"""A role as a JSON document, to take it to another organization or keep it under version control."""

import json

from orgs.roles.predefined_permissions import rights_that_exist
from zenpro_site.common.characters import storable

from .models import Role

FORMAT = 1
LONGEST = 100_000  # characters


def as_json(role: Role) -> str:
    """The role as a document that `read` understands; who holds it is not part of it."""
    document = {
        "zenpro_role": FORMAT,
        "level": role.level,
        "name": role.name,
        "description": role.description,
        "base": role.base.slug if role.base else None,
        "rights": sorted(role.rights),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def read(text: str) -> dict:
    """level, name, description, base (a slug or None) and rights (a list). Raises ValueError with a sentence."""
    if len(text) > LONGEST:
        raise ValueError("This is too long to be a role.")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"This is not JSON: {error}") from error
    if not storable(document):
        raise ValueError("It contains a character that cannot be stored: NUL, or half of a surrogate pair.")
    if not isinstance(document, dict) or document.get("zenpro_role") != FORMAT:
        raise ValueError("This is not an exported role: “zenpro_role” must be 1.")
    level = document.get("level")
    if level not in Role.Level.values:
        raise ValueError("“level” must be “organization” or “tenant”.")
    return {
        "level": level,
        "name": _text(document, "name", 60),
        "description": _text(document, "description", 300),
        "base": _text(document, "base", 60) or None,
        "rights": _rights(document, level),
    }


def _text(document: dict, name: str, longest: int) -> str:
    value = document.get(name) or ""
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise ValueError(f"“{name}” must be text of at most {longest} characters.")
    return value.strip()


def _rights(document: dict, level: str) -> list[str]:
    rights = document.get("rights")
    if not isinstance(rights, list) or not all(isinstance(right, str) for right in rights):
        raise ValueError("“rights” must be a list of strings such as “model:read”.")
    if unknown := sorted(set(rights) - rights_that_exist(level)):
        raise ValueError(f"There is no such right: {', '.join(unknown[:5])}.")
    return sorted(set(rights))
