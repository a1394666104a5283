from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0002_accounts")]

    operations = [
        migrations.AddField(
            model_name="tenantgrant",
            name="announced_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        )
    ]
