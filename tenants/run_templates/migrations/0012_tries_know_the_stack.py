from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('run_templates', '0011_push_keys_know_their_door'),
    ]

    operations = [
        migrations.AddField(
            model_name='codetry',
            name='integrations',
            field=models.JSONField(default=list),
        ),
    ]
