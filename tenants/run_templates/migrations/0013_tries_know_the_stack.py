from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('run_templates', '0012_runs_know_their_preset'),
    ]

    operations = [
        migrations.AddField(
            model_name='codetry',
            name='integrations',
            field=models.JSONField(default=list),
        ),
    ]
