from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0005_homes")]

    operations = [
        migrations.AddField(
            model_name="tenant",
            name="on_database_server",
            field=models.BooleanField(
                default=False,
                editable=False,
                help_text="In the cluster: are its rows in a database of its own on a server, and not on a volume?",
            ),
        ),
    ]
