from django.db import migrations, models
from django.db.models import F, OuterRef, Q, Subquery

UNFINISHED = ("queued", "preparing", "starting", "running", "stopping")


def fill(apps, schema_editor):
    """Of runs that go on, and of those since which the template's packages have not changed: of others nobody knows."""
    run, template = (apps.get_model("run_templates", name) for name in ("TemplateRun", "RunTemplate"))
    same = Q(template__requirements_changed_at=None) | Q(template__requirements_changed_at__lte=F("queued_at"))
    known = run.objects.filter(same | Q(state__in=UNFINISHED)).order_by().values("pk")
    packages = template.objects.filter(pk=OuterRef("template")).values("requirements")
    run.objects.filter(pk__in=known).update(requirements=Subquery(packages))


class Migration(migrations.Migration):
    dependencies = [("run_templates", "0013_tries_know_the_stack")]

    operations = [
        migrations.AddField(
            model_name="templaterun",
            name="requirements",
            field=models.TextField(
                blank=True, help_text="Packages, as the template had them when it was asked for."
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
