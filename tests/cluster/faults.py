"""What goes wrong in the cluster, until `clear()`. Quotas, missing secrets, volumes and rooms need no switch: make them so."""

import threading
from dataclasses import dataclass

from .kinds import Key, Kind
from .refusals import Refusal, denied, not_allowed, unauthorized

USER = "system:serviceaccount:zenpro:zenpro"


@dataclass(frozen=True)
class Webhook:
    name: str
    message: str
    resource: str
    code: int


class Faults:
    """`no_credentials`: every request is answered with 401. `seconds`: how long each answer takes at least.
    `storage`: why no volume can be made. `unpullable`: labels of pods whose node can't pull their images, as
    `job-name=task`; "" is none."""

    def __init__(self):
        self.answering = threading.Event()
        self.clear()

    def clear(self) -> None:
        self.no_credentials, self.seconds, self.storage = False, 0.0, ""
        self.unpullable = ""
        self.rules: set[tuple[str, str]] = set()
        self.webhooks: list[Webhook] = []
        self.answering.set()

    def forbid(self, verb: str = "*", resource: str = "*") -> None:
        """RBAC does not allow it: `forbid("create", "secrets")`, `forbid("get", "pods/log")`."""
        self.rules.add((verb, resource))

    def deny(self, resource: str, message: str, webhook: str = "policy.example.org", code: int = 400) -> None:
        """An admission webhook refuses new and changed objects: `deny("deployments", "no latest tags")`."""
        self.webhooks.append(Webhook(webhook, message, resource, code))

    def hang(self) -> None:
        """Requests are taken and not answered, until `clear()`."""
        self.answering.clear()

    def allows(self, verb: str, resource: str) -> bool:
        return not self.rules & {(v, r) for v in (verb, "*") for r in (resource, "*")}

    def authenticate(self, token: str, wanted: str) -> None:
        if self.no_credentials or token != f"Bearer {wanted}":
            raise unauthorized()

    def authorize(self, verb: str, kind: Kind, namespace: str, name: str, sub: str = "") -> None:
        if not self.allows(verb, f"{kind.plural}/{sub}" if sub else kind.plural):
            raise not_allowed(USER, verb, kind, namespace, name, sub)

    def admit(self, key: Key) -> None:
        for webhook in self.webhooks:
            if webhook.resource in (key.kind.plural, "*"):
                raise self._denied(webhook)

    def _denied(self, webhook: Webhook) -> Refusal:
        return denied(webhook.name, webhook.message, webhook.code)
