from django.db import migrations


def end_tokens(apps, schema_editor):
    """Whoever signed in to a server that somebody else runs gave it the token that opens all their tenants."""
    Token = apps.get_model("control_plane", "AccessToken")
    entered = apps.get_model("tenants", "TenantAccount").objects.filter(tenant__enrollment__isnull=False)
    Token.objects.filter(kind="user", tenant=None, user__in=entered.values("user")).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("control_plane", "0009_unknown_rights"),
        ("tenants", "0003_grant_announced"),
        ("enrollment", "0001_enrollment"),
    ]

    operations = [migrations.RunPython(end_tokens, migrations.RunPython.noop)]
