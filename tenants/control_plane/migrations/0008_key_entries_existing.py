from django.db import migrations


def note_entries(apps, schema_editor):
    """Service accounts come in with keys alone, and with which one was not noted: with each of theirs, also ended ones."""
    Entry = apps.get_model("control_plane", "KeyEntry")
    accounts = apps.get_model("tenants", "TenantAccount").objects.filter(
        user__is_service_account=True, cut_at=None, tenant__enrollment=None
    )
    for account in accounts.exclude(tenant__desired_state="deleted").select_related("user"):
        Entry.objects.bulk_create(
            Entry(api_key=key, tenant_id=account.tenant_id, entered_at=account.entered_at)
            for key in account.user.api_keys.all()
        )


class Migration(migrations.Migration):
    dependencies = [
        ("control_plane", "0007_key_entries"),
        ("tenants", "0003_grant_announced"),
        ("enrollment", "0001_enrollment"),
    ]

    operations = [migrations.RunPython(note_entries, migrations.RunPython.noop)]
