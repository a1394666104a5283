import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("run_templates", "0002_requirements_changed"), ("control_plane", "0003_api_keys")]

    operations = [
        migrations.AddField(
            model_name="templaterun",
            name="asked_with",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="control_plane.apikey",
            ),
        ),
        migrations.AddField(
            model_name="templaterun",
            name="stop_reason",
            field=models.CharField(
                blank=True, help_text="Why it was stopped when nobody asked for that.", max_length=300
            ),
        ),
    ]
