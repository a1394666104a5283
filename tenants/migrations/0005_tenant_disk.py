from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0004_tenant_silent_since")]

    operations = [
        migrations.AddField(
            model_name="tenant",
            name="disk_bytes",
            field=models.BigIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name="tenant",
            name="disk_measured_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="tenant",
            name="disk_budget",
            field=models.BigIntegerField(
                blank=True,
                editable=False,
                help_text="Bytes; empty: as everywhere, 0: no limit.",
                null=True,
            ),
        ),
    ]
