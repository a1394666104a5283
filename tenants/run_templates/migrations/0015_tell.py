import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

WAY = {"choices": [("mail", "By email"), ("webhook", "To your webhook")], "default": "mail", "max_length": 10}
WHEN = [("always", "When they end"), ("failed", "Only when they fail"), ("never", "Never")]


def keep_choices(apps, schema_editor):
    """What people chose so far is about mail."""
    old, new = (apps.get_model("run_templates", name) for name in ("NoticeDefault", "OwnNotice"))
    rows = [new(person_id=person, way="mail", when=when) for person, when in old.objects.values_list("person", "when")]
    new.objects.bulk_create(rows, batch_size=500)


def person(name):
    return models.ForeignKey(
        on_delete=django.db.models.deletion.CASCADE, related_name=name, to=settings.AUTH_USER_MODEL
    )


class Migration(migrations.Migration):
    dependencies = [
        ("mails", "0001_initial"),
        ("tenants", "0001_initial"),
        ("run_templates", "0014_runs_keep_their_packages"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="NoticeMail",
            fields=[
                (
                    "mail",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="about_run",
                        serialize=False,
                        to="mails.mail",
                    ),
                ),
                ("person", person("notice_mails")),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notice_mails",
                        to="run_templates.templaterun",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="OwnNotice",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("way", models.CharField(**WAY)),
                ("when", models.CharField(choices=WHEN, max_length=10)),
                ("person", person("own_notices")),
                (
                    "tenant",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="own_notices",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("tenant", None)),
                        fields=("person", "way"),
                        name="own_notice_once_a_way",
                    ),
                    models.UniqueConstraint(
                        fields=("person", "way", "tenant"), name="own_notice_once_a_tenant"
                    ),
                ],
            },
        ),
        migrations.RunPython(keep_choices, migrations.RunPython.noop),
        migrations.DeleteModel(name="NoticeDefault"),
        migrations.RemoveConstraint(model_name="runnotice", name="run_notice_once"),
        migrations.RemoveConstraint(model_name="templatenotice", name="template_notice_once"),
        migrations.AddField(model_name="runnotice", name="way", field=models.CharField(**WAY)),
        migrations.AddField(model_name="templatenotice", name="way", field=models.CharField(**WAY)),
        migrations.AddConstraint(
            model_name="runnotice",
            constraint=models.UniqueConstraint(
                fields=("run", "person", "way"), name="run_notice_once_a_way"
            ),
        ),
        migrations.AddConstraint(
            model_name="templatenotice",
            constraint=models.UniqueConstraint(
                fields=("template", "person", "way"), name="template_notice_once_a_way"
            ),
        ),
    ]
