from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('run_templates', '0010_git_access'),
    ]

    operations = [
        migrations.AddField(
            model_name='pushkey',
            name='again',
            field=models.CharField(blank=True, help_text='The door of the run that asked for code, where it goes on.', max_length=6),
        ),
    ]
