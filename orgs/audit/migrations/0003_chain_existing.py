from django.db import migrations

from orgs.audit.chain import digest


def chain(apps, schema_editor):
    """Events from before the chain join it as they stand: what was done to them earlier cannot be told."""
    Event, Head = apps.get_model("audit", "AuditEvent"), apps.get_model("audit", "AuditHead")
    head = Head(pk=1)
    for event in Event.objects.order_by("id").iterator():
        event.organization_key = str(event.organization_id or "")
        event.actor_key = str(event.actor_id or "")
        event.number, event.previous_hash = head.number + 1, head.hash
        event.hash = digest(event)
        event.save(update_fields=["organization_key", "actor_key", "number", "previous_hash", "hash"])
        head.number, head.hash = event.number, event.hash
    head.save()


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_chain")]

    operations = [migrations.RunPython(chain, migrations.RunPython.noop)]
