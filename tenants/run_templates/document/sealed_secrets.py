"""Secrets that people enter for a re-run: sealed for their template and their field, and opened for its tenant only."""

import json

from tenants.run_templates.document.hidden import Place, Seal
from tenants.run_templates.document.schema import is_same_place
from tenants.run_templates.models import RunTemplate
from zenpro_site.common.sealing import SecretsUnreadable, seal, unseal


def sealer(template: RunTemplate) -> Seal:
    """What seals a secret so that only runs of this template can use it, and only where it was entered."""

    def sealed(text: str, place: Place) -> str:
        return seal({"template": str(template.pk), "place": json.dumps(place), "secret": text})

    return sealed


def opener(template: RunTemplate) -> Seal:
    """What opens the secrets of a template. It raises SecretsUnreadable, also for those of others and other fields."""

    def opened(text: str, place: Place) -> str:
        found = unseal(text)
        if found.get("template") != str(template.pk):
            raise SecretsUnreadable("It was entered for another template.")
        if not is_same_place(json.loads(found.get("place", "[]")), place):
            raise SecretsUnreadable("It was entered for another field.")
        return found["secret"]

    return opened
