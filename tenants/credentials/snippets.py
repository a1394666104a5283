"""Lines to copy for connecting to a tenant."""

from dataclasses import dataclass

from tenants.models import Tenant


@dataclass(frozen=True)
class Snippet:
    """`lines` are (kind, text); kind is comment, command (typed after a prompt) or empty."""

    label: str
    lines: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """What the copy button takes: no comments, no prompts."""
        return "\n".join(text for kind, text in self.lines if kind != "comment")


def snippets_of(tenant: Tenant, api_url: str) -> dict[str, Snippet]:
    """How to connect from a terminal, from CI and from Python, by tab name."""
    version, url = tenant.reported_version or tenant.zenml_version, tenant.server_url
    cli = (
        ("comment", "# opens your browser once, then remembers this machine"),
        ("command", f'pip install "zenml=={version}"'),
        ("command", f"zenml login {url}"),
        ("command", "zenml project set default"),
    )
    ci = (
        ("comment", "# environment of the job; use a key of a service account"),
        ("", f"ZENML_PRO_API_URL={api_url}"),
        ("", f"ZENML_STORE_URL={url}"),
        ("", "ZENML_STORE_API_KEY=ZENPROKEY_…"),
        ("", "ZENML_ACTIVE_PROJECT_ID=" + str(tenant.project_id or "default")),
    )
    python = (
        ("comment", "# after zenml login, on the same machine"),
        ("", "from zenml.client import Client"),
        ("", ""),
        ("", 'for run in Client().list_pipeline_runs(sort_by="desc:created", size=5):'),
        ("", "    print(run.name, run.status)"),
    )
    return {"cli": Snippet("CLI", cli), "ci": Snippet("CI", ci), "python": Snippet("Python", python)}
