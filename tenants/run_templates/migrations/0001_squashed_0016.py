"""All of what came before in one, for new databases: they are made in three quarters of the time."""

import django.db.models.deletion
import django.utils.timezone
import uuid
import zenpro_site.common.names
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [('run_templates', '0001_initial'), ('run_templates', '0002_code_versions'), ('run_templates', '0003_code_is_a_version'), ('run_templates', '0004_push_keys'), ('run_templates', '0005_two_doors'), ('run_templates', '0006_rules_and_presets'), ('run_templates', '0007_continued_runs'), ('run_templates', '0008_code_tries'), ('run_templates', '0009_notices'), ('run_templates', '0010_git_access'), ('run_templates', '0011_push_keys_know_their_door'), ('run_templates', '0012_runs_know_their_preset'), ('run_templates', '0013_tries_know_the_stack'), ('run_templates', '0014_runs_keep_their_packages'), ('run_templates', '0015_tell'), ('run_templates', '0016_bind_sealed_secrets')]

    initial = True

    dependencies = [
        ('control_plane', '0001_initial'),
        ('mails', '0001_initial'),
        ('orgs', '0001_initial'),
        ('roles', '0001_initial'),
        ('teams', '0001_initial'),
        ('tenants', '0001_initial'),
        ('users', '__first__'),
    ]

    operations = [
        migrations.CreateModel(
            name='CodeVersion',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('pipeline_name', models.CharField(max_length=200)),
                ('number', models.PositiveIntegerField()),
                ('kind', models.CharField(choices=[('folder', 'Folder on the server'), ('archive', 'Archive'), ('git', 'Git repository'), ('push', 'Pushed from a terminal')], max_length=10)),
                ('origin', models.CharField(help_text='A path, the name of a file, or an address.', max_length=500)),
                ('revision', models.CharField(blank=True, help_text='The branch or tag that was asked for.', max_length=250)),
                ('commit', models.CharField(blank=True, max_length=40)),
                ('code_hash', models.CharField(max_length=64)),
                ('roots', models.JSONField(default=list)),
                ('starts_in', models.CharField(blank=True, max_length=1024)),
                ('files', models.PositiveIntegerField(default=0)),
                ('bytes', models.PositiveBigIntegerField(default=0)),
                ('declared', models.JSONField(default=dict, help_text='File in it -> the packages it names, as requirements.')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='code_added', to=settings.AUTH_USER_MODEL)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='code_versions', to='tenants.tenant')),
            ],
            options={
                'ordering': ['-number'],
                'constraints': [models.UniqueConstraint(fields=('tenant', 'pipeline_name', 'number'), name='code_number_once_per_pipeline')],
            },
        ),
        migrations.CreateModel(
            name='CodeTry',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('roots', models.JSONField(default=list)),
                ('starts_in', models.CharField(blank=True, max_length=1024)),
                ('requirements', models.TextField(blank=True)),
                ('steps', models.JSONField(default=dict)),
                ('recorded', models.JSONField(default=list)),
                ('integrations', models.JSONField(default=list)),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('installing', 'Installing packages'), ('importing', 'Importing steps'), ('done', 'Done'), ('failed', 'Failed')], db_index=True, default='waiting', max_length=10)),
                ('reason', models.CharField(blank=True, help_text='Why it failed.', max_length=700)),
                ('results', models.JSONField(default=list)),
                ('asked_at', models.DateTimeField(auto_now_add=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='code_tries', to=settings.AUTH_USER_MODEL)),
                ('code', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='tries', to='run_templates.codeversion')),
            ],
        ),
        migrations.CreateModel(
            name='GitAccess',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('place', models.CharField(help_text='Address of the repository, always written one way.', max_length=550)),
                ('sealed', models.TextField()),
                ('public_key', models.CharField(blank=True, help_text='Of a deploy key; empty for a token.', max_length=300)),
                ('host_key', models.TextField(blank=True, help_text='What the ssh host showed.')),
                ('host_confirmed_at', models.DateTimeField(blank=True, null=True)),
                ('given_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('used_at', models.DateTimeField(blank=True, null=True)),
                ('given_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('host_confirmed_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='git_accesses', to='tenants.tenant')),
            ],
            options={
                'ordering': ['place'],
                'constraints': [models.UniqueConstraint(fields=('tenant', 'place'), name='git_access_once_per_repository')],
            },
        ),
        migrations.CreateModel(
            name='OwnNotice',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('way', models.CharField(choices=[('mail', 'By email'), ('webhook', 'To your webhook')], default='mail', max_length=10)),
                ('when', models.CharField(choices=[('always', 'When they end'), ('failed', 'Only when they fail'), ('never', 'Never')], max_length=10)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='own_notices', to=settings.AUTH_USER_MODEL)),
                ('tenant', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='own_notices', to='tenants.tenant')),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('tenant', None)), fields=('person', 'way'), name='own_notice_once_a_way'), models.UniqueConstraint(fields=('person', 'way', 'tenant'), name='own_notice_once_a_tenant')],
            },
        ),
        migrations.CreateModel(
            name='RunTemplate',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=80)),
                ('description', models.CharField(blank=True, max_length=500)),
                ('pipeline_name', models.CharField(max_length=200)),
                ('project_id', models.UUIDField()),
                ('source_run_id', models.UUIDField()),
                ('source_run_name', models.CharField(max_length=250)),
                ('source_snapshot_id', models.UUIDField()),
                ('stack_id', models.UUIDField()),
                ('stack_name', models.CharField(max_length=200)),
                ('snapshot', models.JSONField()),
                ('code_chosen_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('requirements', models.TextField(blank=True)),
                ('requirements_changed_at', models.DateTimeField(blank=True, null=True)),
                ('default_configuration', models.JSONField(default=dict)),
                ('previous_configuration', models.JSONField(blank=True, default=dict, help_text='The default before it was last changed, for Undo; empty for none.')),
                ('field_rules', models.JSONField(blank=True, default=list, help_text='Who may change what; tenants.run_templates.document.field_rules.')),
                ('is_narrowed', models.BooleanField(default=False, help_text='Of those with the right to run templates, only its runners may run it.')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('is_listed', models.BooleanField(default=True, help_text='Off for what one run alone needs to run again.')),
                ('code', models.ForeignKey(on_delete=django.db.models.deletion.RESTRICT, related_name='templates', to='run_templates.codeversion')),
                ('code_chosen_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='templates_created', to=settings.AUTH_USER_MODEL)),
                ('requirements_changed_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='templates', to='tenants.tenant')),
            ],
            options={
                'ordering': ['name'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('is_listed', True)), fields=('tenant', 'name'), name='template_name_once_per_tenant'), models.UniqueConstraint(condition=models.Q(('is_listed', False)), fields=('tenant', 'source_run_id'), name='unlisted_template_once_per_run')],
            },
            bases=(zenpro_site.common.names.PlainNames, models.Model),
        ),
        migrations.CreateModel(
            name='PushKey',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('run_id', models.UUIDField(null=True)),
                ('again', models.CharField(blank=True, help_text='The door of the run that asked for code, where it goes on.', max_length=6)),
                ('made_at', models.DateTimeField(auto_now_add=True)),
                ('received_at', models.DateTimeField(null=True)),
                ('refusal', models.CharField(help_text='Why what was sent last was not taken.', max_length=500)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='push_keys', to=settings.AUTH_USER_MODEL)),
                ('received', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='run_templates.codeversion')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='push_keys', to='tenants.tenant')),
                ('template', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='push_keys', to='run_templates.runtemplate')),
            ],
        ),
        migrations.CreateModel(
            name='Preset',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=80)),
                ('is_shared', models.BooleanField(default=False)),
                ('values', models.JSONField(default=dict, help_text='What it sets, by path; secrets are sealed.')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='presets', to=settings.AUTH_USER_MODEL)),
                ('template', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='presets', to='run_templates.runtemplate')),
            ],
            options={
                'ordering': ['-is_shared', 'name'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('is_shared', True)), fields=('template', 'name'), name='preset_shared_name_once'), models.UniqueConstraint(condition=models.Q(('is_shared', False)), fields=('template', 'name', 'created_by'), name='preset_own_name_once')],
            },
            bases=(zenpro_site.common.names.PlainNames, models.Model),
        ),
        migrations.CreateModel(
            name='Sweep',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('fields', models.JSONField(default=list, help_text='Which parameters: path, step, name.')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='sweeps', to=settings.AUTH_USER_MODEL)),
                ('template', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='sweeps', to='run_templates.runtemplate')),
            ],
            options={
                'ordering': ['-created_at'],
            },
        ),
        migrations.CreateModel(
            name='TemplateNotice',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('way', models.CharField(choices=[('mail', 'By email'), ('webhook', 'To your webhook')], default='mail', max_length=10)),
                ('when', models.CharField(choices=[('always', 'When they end'), ('failed', 'Only when they fail'), ('never', 'Never')], max_length=10)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='template_notices', to=settings.AUTH_USER_MODEL)),
                ('template', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notices', to='run_templates.runtemplate')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('template', 'person', 'way'), name='template_notice_once_a_way')],
            },
        ),
        migrations.CreateModel(
            name='TemplateRun',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('requirements', models.TextField(blank=True, help_text='Packages, as the template had them when it was asked for.')),
                ('continues_from', models.CharField(blank=True, help_text='The step of that run where it goes on.', max_length=250)),
                ('taken_over', models.JSONField(blank=True, default=list, help_text='Names of the steps it takes over.')),
                ('number', models.PositiveIntegerField()),
                ('run_name', models.CharField(max_length=250)),
                ('configuration', models.JSONField()),
                ('changes', models.JSONField(default=list, help_text='What differs from the template: path, before, after.')),
                ('state', models.CharField(choices=[('queued', 'Queued'), ('preparing', 'Preparing'), ('starting', 'Starting'), ('running', 'Running'), ('stopping', 'Stopping'), ('completed', 'Completed'), ('failed', 'Failed'), ('stopped', 'Stopped')], db_index=True, default='queued', max_length=10)),
                ('state_reason', models.CharField(blank=True, max_length=500)),
                ('zenml_snapshot_id', models.UUIDField(blank=True, null=True)),
                ('zenml_run_id', models.UUIDField(blank=True, db_index=True, null=True)),
                ('pid', models.PositiveIntegerField(blank=True, null=True)),
                ('pid_started', models.CharField(blank=True, help_text='Start time of the process, so a reused pid is not taken for ours.', max_length=40)),
                ('cancel_requested_at', models.DateTimeField(blank=True, null=True)),
                ('stop_sent_at', models.DateTimeField(blank=True, help_text='When the process was asked to stop; one that does not listen is ended.', null=True)),
                ('over_since', models.DateTimeField(blank=True, help_text='Since when the process goes on although its run has ended.', null=True)),
                ('stop_reason', models.CharField(blank=True, help_text='Why it was stopped when nobody asked for that.', max_length=300)),
                ('queued_at', models.DateTimeField(auto_now_add=True)),
                ('start_after', models.DateTimeField(blank=True, help_text='Until then it waits and can be undone; empty when it need not wait.', null=True)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('is_unsettled', models.BooleanField(default=False, help_text='It ended, and the tenant has not heard of that yet.')),
                ('kept_bytes', models.PositiveBigIntegerField(default=0, help_text='Size of what it wrote in its working directory, while that is kept.')),
                ('kept_until', models.DateTimeField(blank=True, null=True)),
                ('asked_with', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='control_plane.apikey')),
                ('cancel_requested_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('code', models.ForeignKey(on_delete=django.db.models.deletion.RESTRICT, related_name='runs', to='run_templates.codeversion')),
                ('continues', models.ForeignKey(blank=True, help_text='The run whose completed steps it takes over.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='continued_by', to='run_templates.templaterun')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='template_runs', to=settings.AUTH_USER_MODEL)),
                ('preset', models.ForeignKey(blank=True, help_text='Whose values it was sent unchanged.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='runs', to='run_templates.preset')),
                ('sweep', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='runs', to='run_templates.sweep')),
                ('template', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='runs', to='run_templates.runtemplate')),
            ],
            options={
                'ordering': ['-number'],
                'indexes': [models.Index(condition=models.Q(('is_unsettled', True)), fields=['id'], name='template_run_unsettled')],
                'constraints': [models.UniqueConstraint(fields=('template', 'number'), name='template_run_number_once')],
            },
        ),
        migrations.CreateModel(
            name='RunNotice',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('way', models.CharField(choices=[('mail', 'By email'), ('webhook', 'To your webhook')], default='mail', max_length=10)),
                ('is_wanted', models.BooleanField()),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='run_notices', to=settings.AUTH_USER_MODEL)),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notices', to='run_templates.templaterun')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('run', 'person', 'way'), name='run_notice_once_a_way')],
            },
        ),
        migrations.CreateModel(
            name='NoticeMail',
            fields=[
                ('mail', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='about_run', serialize=False, to='mails.mail')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notice_mails', to=settings.AUTH_USER_MODEL)),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notice_mails', to='run_templates.templaterun')),
            ],
        ),
        migrations.CreateModel(
            name='TemplateRunner',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('membership', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='orgs.membership')),
                ('role', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='roles.role')),
                ('team', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='teams.team')),
                ('template', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='runners', to='run_templates.runtemplate')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('template', 'role'), name='template_runner_role_once'), models.UniqueConstraint(fields=('template', 'team'), name='template_runner_team_once'), models.UniqueConstraint(fields=('template', 'membership'), name='template_runner_membership_once'), models.CheckConstraint(condition=models.Q(models.Q(('membership__isnull', False), ('role', None), ('team', None)), models.Q(('membership', None), ('role', None), ('team__isnull', False)), models.Q(('membership', None), ('role__isnull', False), ('team', None)), _connector='OR'), name='template_runner_is_one')],
            },
        ),
    ]
