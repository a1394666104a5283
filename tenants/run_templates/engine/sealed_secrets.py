"""Secrets that people enter for a re-run: sealed for their template, and opened for its tenant only."""

from tenants.run_templates.document.hidden import Seal
from tenants.run_templates.models import RunTemplate
from zenpro_site.common.sealing import SecretsUnreadable, seal, unseal


def sealer(template: RunTemplate) -> Seal:
    """What seals a secret so that only runs of this template can use it."""
    return lambda text: seal({"template": str(template.pk), "secret": text})


def opener(template: RunTemplate) -> Seal:
    """What opens the secrets of a template. It raises SecretsUnreadable, also for those of others."""

    def opened(text: str) -> str:
        found = unseal(text)
        if found.get("template") != str(template.pk):
            raise SecretsUnreadable("This secret was entered for another template.")
        return found["secret"]

    return opened
