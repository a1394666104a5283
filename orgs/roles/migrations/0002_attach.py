from django.db import migrations


def give_attach(apps, schema_editor):
    """ZenML 0.99 asks whether somebody may put a component of others into a stack: whoever may change it may."""
    Right = apps.get_model("roles", "RolePermission")
    components = Right.objects.filter(resource="stack_component")
    have = components.filter(action="attach").values("role")
    roles = components.filter(action="update", role__level="tenant").exclude(role__in=have)
    Right.objects.bulk_create(
        Right(role_id=role, resource="stack_component", action="attach")
        for role in roles.values_list("role", flat=True)
    )


class Migration(migrations.Migration):
    dependencies = [
        ("roles", "0001_initial"),
    ]

    operations = [migrations.RunPython(give_attach, migrations.RunPython.noop)]
