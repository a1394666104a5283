"""Lines for a terminal that send code here; they need nothing but `git` or `tar`, and `curl`."""

from django.urls import reverse

from tenants.run_templates.models import PushKey, RunTemplate
from tenants.run_templates.push_keys import text_of
from zenpro_site.common.addresses import full

LEFT_OUT = (".git", ".venv", "venv", "__pycache__", "node_modules")
LAST_COMMIT = "git archive --format=tar.gz HEAD"
KEY = "$ZENPRO_KEY"  # as the reference of the API calls it


def lines_of(key: PushKey) -> list[tuple[str, str, str]]:
    """(where, line, what is sent), with the text of a key that lives for minutes."""
    send = _send(text_of(key), full(reverse("run_templates:receive")))
    left_out = " ".join(f"--exclude={name}" for name in LEFT_OUT)
    return [
        ("In a git repository", f"{LAST_COMMIT} | {send}", "The last commit"),
        (
            "In any other folder",
            f"tar -czf - {left_out} . | {send}",
            "Every file but environments and caches",
        ),
    ]


def line_for_ci(template: RunTemplate) -> str:
    """What a CI job runs after each merge; its key is in a variable, and a refusal fails the job."""
    tenant = template.tenant
    path = reverse("api:code_add", args=[tenant.organization.slug, tenant.slug, template.pk])
    return f"{LAST_COMMIT} | {_send(KEY, f'{full(path)}?use=true', '-sS --fail-with-body')}"


def _send(key: str, url: str, options: str = "-sS") -> str:
    address = f'"{url}"' if "?" in url else url
    return f'curl {options} --data-binary @- -H "Authorization: Bearer {key}" {address}'
