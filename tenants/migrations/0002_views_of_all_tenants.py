import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def fill(apps, schema_editor):
    view, tenant = (apps.get_model("tenants", name) for name in ("SavedRunView", "Tenant"))
    its = tenant.objects.filter(pk=models.OuterRef("tenant")).values("organization")
    view.objects.update(organization=models.Subquery(its[:1]))


class Migration(migrations.Migration):
    atomic = False  # PostgreSQL changes no table with checks of the same transaction still to come

    dependencies = [
        ("orgs", "0001_initial"),
        ("tenants", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="savedrunview",
            name="organization",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="orgs.organization",
            ),
        ),
        migrations.AlterField(
            model_name="savedrunview",
            name="tenant",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="saved_run_views",
                to="tenants.tenant",
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="savedrunview",
            name="organization",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="orgs.organization"
            ),
        ),
        migrations.AddConstraint(
            model_name="savedrunview",
            constraint=models.UniqueConstraint(
                fields=("organization", "user", "name"),
                condition=models.Q(("tenant", None)),
                name="saved_run_view_of_all_name_once",
            ),
        ),
    ]
