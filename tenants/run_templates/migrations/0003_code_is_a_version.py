import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Apart from 0002: PostgreSQL alters no table whose rows were changed in the same transaction."""

    dependencies = [('run_templates', '0002_code_versions')]

    operations = [
        migrations.AlterField(
            model_name='runtemplate',
            name='code',
            field=models.ForeignKey(on_delete=django.db.models.deletion.RESTRICT, related_name='templates', to='run_templates.codeversion'),
        ),
        migrations.AlterField(
            model_name='templaterun',
            name='code',
            field=models.ForeignKey(on_delete=django.db.models.deletion.RESTRICT, related_name='runs', to='run_templates.codeversion'),
        ),
        migrations.RemoveField(model_name='runtemplate', name='code_location'),
        migrations.RemoveField(model_name='runtemplate', name='code_hash'),
    ]
