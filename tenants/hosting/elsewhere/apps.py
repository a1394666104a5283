from django.apps import AppConfig


class ElsewhereConfig(AppConfig):
    """Servers that someone else runs. The label is older than the room."""

    name = "tenants.hosting.elsewhere"
    label = "enrollment"
