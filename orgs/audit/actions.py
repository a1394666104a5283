from orgs.models import Organization
from orgs.users.models import Actor

from .models import AuditEvent


def record_export(
    *, organization: Organization, form: str, filters: dict[str, str], events: int, by: Actor
) -> AuditEvent:
    """Tell the audit log that a part of it was exported; the event is not in the file itself."""
    after = {"form": form, "filters": filters, "events": events}
    return AuditEvent.objects.record(
        "audit.exported", organization, by=by, organization=organization, after=after
    )
