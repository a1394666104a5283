import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


def fill(apps, schema_editor):
    """What was the directory of a template is the first version of its pipeline's code, and so on."""
    templates = apps.get_model("run_templates", "RunTemplate").objects
    versions = apps.get_model("run_templates", "CodeVersion").objects
    for template in templates.order_by("created_at"):
        same = versions.filter(tenant=template.tenant, pipeline_name=template.pipeline_name)
        made = same.filter(code_hash=template.code_hash, origin=template.code_location).first()
        template.code = made or versions.create(
            tenant=template.tenant,
            pipeline_name=template.pipeline_name,
            number=same.count() + 1,
            kind="folder",
            origin=template.code_location,
            code_hash=template.code_hash,
            roots=[""],
            created_by=template.created_by,
        )
        template.code_chosen_by, template.code_chosen_at = template.created_by, template.created_at
        template.save(update_fields=["code", "code_chosen_by", "code_chosen_at"])
        template.runs.update(code=template.code)


class Migration(migrations.Migration):
    dependencies = [
        ('run_templates', '0001_initial'),
        ('tenants', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='CodeVersion',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('pipeline_name', models.CharField(max_length=200)),
                ('number', models.PositiveIntegerField()),
                ('kind', models.CharField(choices=[('folder', 'Folder on the server'), ('archive', 'Archive'), ('git', 'Git repository')], max_length=10)),
                ('origin', models.CharField(help_text='A path, the name of a file, or an address.', max_length=500)),
                ('revision', models.CharField(blank=True, help_text='The branch or tag that was asked for.', max_length=250)),
                ('commit', models.CharField(blank=True, max_length=40)),
                ('code_hash', models.CharField(max_length=64)),
                ('roots', models.JSONField(default=list)),
                ('starts_in', models.CharField(blank=True, max_length=1024)),
                ('files', models.PositiveIntegerField(default=0)),
                ('bytes', models.PositiveBigIntegerField(default=0)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='code_added', to=settings.AUTH_USER_MODEL)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='code_versions', to='tenants.tenant')),
            ],
            options={'ordering': ['-number']},
        ),
        migrations.AddConstraint(
            model_name='codeversion',
            constraint=models.UniqueConstraint(fields=('tenant', 'pipeline_name', 'number'), name='code_number_once_per_pipeline'),
        ),
        migrations.AddField(
            model_name='runtemplate',
            name='code',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.RESTRICT, related_name='templates', to='run_templates.codeversion'),
        ),
        migrations.AddField(
            model_name='runtemplate',
            name='code_chosen_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='runtemplate',
            name='code_chosen_at',
            field=models.DateTimeField(default=django.utils.timezone.now),
        ),
        migrations.AddField(
            model_name='templaterun',
            name='code',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.RESTRICT, related_name='runs', to='run_templates.codeversion'),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
