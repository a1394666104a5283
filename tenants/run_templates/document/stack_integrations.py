"""Which of ZenML's integrations the components of a run's stack are from.

Names come from the tenant's server and become names of folders: only what can be one of ZenML's is taken.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tenants.hosting.answers import listing, mapping

KEY = "stack_integrations"  # beside what ZenML wrote into the stored snapshot
MOST = 40
NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")
NONE = ("custom",)  # what ZenML writes for a flavor of one's own; "built-in" is no such name anyway


def integrations_in(stack: Mapping[str, Any]) -> list[str]:
    """Of a stack as its server shows it, each once, by name; [] where it tells nothing."""
    kinds = mapping(mapping(stack.get("metadata")).get("components"))
    components = [one for kind in [*kinds.values()][:MOST] for one in listing(kind, MOST)]
    return _checked(mapping(mapping(one).get("body")).get("integration") for one in components)


def integrations_of(snapshot: Mapping[str, Any]) -> list[str]:
    """Those kept with a stored snapshot; [] for one that was stored without them."""
    return _checked(listing(snapshot.get(KEY), MOST))


def _checked(names: Iterable[Any]) -> list[str]:
    known = {name for name in names if isinstance(name, str) and NAME.fullmatch(name)}
    return sorted(known.difference(NONE))[:MOST]
