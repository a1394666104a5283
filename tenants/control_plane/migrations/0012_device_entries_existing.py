from django.db import migrations
from django.utils import timezone


def note_entries(apps, schema_editor):
    """Where a computer that is signed in came in was not noted: wherever its person has an account."""
    Account = apps.get_model("tenants", "TenantAccount")
    Device = apps.get_model("control_plane", "DeviceLogin")
    Entry = apps.get_model("control_plane", "DeviceEntry")
    for device in Device.objects.filter(tokens__expires_at__gt=timezone.now()).distinct():
        accounts = Account.objects.filter(user=device.user_id, cut_at=None, tenant__enrollment=None)
        Entry.objects.bulk_create(
            Entry(device=device, tenant_id=account.tenant_id, entered_at=account.entered_at)
            for account in accounts.exclude(tenant__desired_state="deleted")
        )


class Migration(migrations.Migration):
    dependencies = [
        ("control_plane", "0011_device_entries"),
        ("tenants", "0003_grant_announced"),
        ("enrollment", "0001_enrollment"),
    ]

    operations = [migrations.RunPython(note_entries, migrations.RunPython.noop)]
