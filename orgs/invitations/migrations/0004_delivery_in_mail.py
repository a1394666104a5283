from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("invitations", "0003_mail_existing")]

    operations = [
        migrations.RemoveField(model_name="invitation", name="delivery"),
        migrations.RemoveField(model_name="invitation", name="delivery_error"),
    ]
