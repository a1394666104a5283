from django.apps import AppConfig


class CredentialsConfig(AppConfig):
    """Keys, tokens and computers. The label is older than the room."""

    name = "tenants.credentials"
    label = "control_plane"
