"""Service accounts of pods: the token of each, and what Roles in a namespace let it do there."""

from dataclasses import dataclass

from .kinds import BY_NAME, RBAC, Key
from .store import Store

BINDING, ROLE = BY_NAME[RBAC, "RoleBinding"], BY_NAME[RBAC, "Role"]
WORD = "account"  # with which their tokens begin


@dataclass(frozen=True)
class Account:
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    def may(self, store: Store, verb: str, group: str, resource: str, namespace: str) -> bool:
        """`resource` with what is below it, as pods/log."""
        rules = [rule for role in self._roles(store, namespace) for rule in role["rules"]]
        asked = {"apiGroups": group, "resources": resource, "verbs": verb}
        return any(all(value in rule[name] for name, value in asked.items()) for rule in rules)

    def _roles(self, store: Store, namespace: str) -> list[dict]:
        own = {"kind": "ServiceAccount", "namespace": self.namespace, "name": self.name}
        bindings = [one for one in store.of(BINDING, namespace) if own in one["subjects"]]
        found = [store.get(Key(ROLE, namespace, one["roleRef"]["name"])) for one in bindings]
        return [role for role in found if role]


def token_of(pod: dict) -> str:
    return f"{WORD}:{pod['metadata']['namespace']}:{pod['spec'].get('serviceAccountName', 'default')}"


def account_of(header: str) -> Account | None:
    """Whose token it is; None when it is that of no account."""
    parts = header.removeprefix("Bearer ").split(":")
    return Account(*parts[1:]) if len(parts) == 3 and parts[0] == WORD else None
