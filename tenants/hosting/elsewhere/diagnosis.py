"""What is known of a server that someone else runs: what is right, what is wrong, and what to do about it."""

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from tenants.hosting.elsewhere.models import Enrollment
from tenants.hosting.elsewhere.server import OLD_LINES
from tenants.models import Tenant

GRACE = timedelta(seconds=30)  # without an answer, until a server that was well counts as failed
Status = Tenant.Status


@dataclass(frozen=True)
class Check:
    """One thing that must be right: `state` is done, now, failed or waiting; `step` says what to do next."""

    key: str
    label: str
    state: str
    text: str
    step: str = ""


def checks_of(tenant: Tenant) -> list[Check]:
    """First call, secret, address, answer and version, in this order."""
    enrollment = tenant.enrollment
    return [check(tenant, enrollment) for check in (_call, _secret, _address, _answer, _version)]


def _call(tenant: Tenant, enrollment: Enrollment) -> Check:
    if enrollment.called_at or enrollment.refused_at:
        return Check("call", "First call", "done", "The server has called ZenPro.")
    return Check(
        "call",
        "First call",
        "now",
        "The server has not called ZenPro yet.",
        "Add the lines below to its environment and restart it. It calls when it starts.",
    )


def _secret(tenant: Tenant, enrollment: Enrollment) -> Check:
    if enrollment.wrong_secret:
        return Check(
            "secret",
            "Secret",
            "failed",
            "A server called as this tenant, but with another secret.",
            "Copy the whole line ZENML_SERVER_PRO_OAUTH2_CLIENT_SECRET again and restart the server.",
        )
    if enrollment.called_at:
        return Check("secret", "Secret", "done", "The secret is right.")
    return Check("secret", "Secret", "waiting", "The first call shows whether the secret is right.")


def _address(tenant: Tenant, enrollment: Enrollment) -> Check:
    if enrollment.wrong_url:
        claimed = (
            f"its address is {enrollment.claimed_url}" if enrollment.claimed_url else "it has no address"
        )
        return Check(
            "address",
            "Address",
            "failed",
            f"The server says {claimed}. You entered {tenant.server_url}.",
            "Use its address here, or correct ZENML_SERVER_SERVER_URL and restart the server.",
        )
    if enrollment.called_at:
        return Check("address", "Address", "done", f"Both say {tenant.server_url}.")
    return Check("address", "Address", "waiting", f"Entered: {tenant.server_url}.")


def _answer(tenant: Tenant, enrollment: Enrollment) -> Check:
    if enrollment.looked_at and not enrollment.trouble:
        return Check("answer", "Answer", "done", "It answers as this tenant.")
    if enrollment.called_at and enrollment.trouble:
        if OLD_LINES in enrollment.trouble:
            step = "Copy the lines below again, all of them: they have changed. Then restart the server."
            return Check("answer", "Answer", "failed", enrollment.trouble, step)
        step = "Is the address right, and can ZenPro reach it? A server that has just "
        step += "called needs a few more seconds."
        return Check("answer", "Answer", "failed", enrollment.trouble, step)
    text = (
        f"Before its first call: {enrollment.trouble}"
        if enrollment.trouble
        else "Checked after the first call."
    )
    return Check("answer", "Answer", "waiting", text)


def _version(tenant: Tenant, enrollment: Enrollment) -> Check:
    if enrollment.wrong_version:
        claimed = (
            f"ZenML {enrollment.claimed_version}" if enrollment.claimed_version else "an unknown version"
        )
        return Check(
            "version",
            "Version",
            "failed",
            f"The server runs {claimed}. You entered {tenant.zenml_version}.",
            "Use its version here, or install the other one there and restart the server.",
        )
    if enrollment.called_at:
        return Check("version", "Version", "done", f"ZenML {enrollment.claimed_version}.")
    return Check("version", "Version", "waiting", f"Entered: {tenant.zenml_version}.")


def verdict(tenant: Tenant) -> tuple[str, str]:
    """(status, reason) that follow from the last look at a tenant that is supposed to be available.

    At first everything has to be right. Later only an answer is needed: a server that was upgraded still works, and
    anyone who knows its id can call with a wrong secret.
    """
    enrollment = tenant.enrollment
    if tenant.available_since is None:
        return _first_verdict(tenant)
    if not enrollment.trouble:
        return Status.AVAILABLE, ""
    answered = enrollment.answered_at
    if tenant.status == Status.AVAILABLE and answered and timezone.now() - answered < GRACE:
        return Status.AVAILABLE, ""
    return Status.FAILED, enrollment.trouble


def _first_verdict(tenant: Tenant) -> tuple[str, str]:
    """Once it has called with the secret, a later call with another one is someone else's."""
    called = tenant.enrollment.called_at is not None
    asked = (check for check in checks_of(tenant) if not (called and check.key == "secret"))
    left = next((check for check in asked if check.state != "done"), None)
    return (Status.PENDING, left.text) if left else (Status.AVAILABLE, "")
