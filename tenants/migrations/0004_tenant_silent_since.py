from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0003_grant_announced")]

    operations = [
        migrations.AddField(
            model_name="tenant",
            name="silent_since",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        )
    ]
