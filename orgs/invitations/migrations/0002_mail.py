import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("invitations", "0001_initial"),
        ("mails", "0001_outbox"),
    ]

    operations = [
        migrations.AddField(
            model_name="invitation",
            name="mail",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="invitation",
                to="mails.mail",
            ),
        ),
    ]
