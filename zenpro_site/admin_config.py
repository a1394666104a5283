from django.contrib.admin.apps import AdminConfig


class ZenProAdminConfig(AdminConfig):
    """Puts our admin site in the place of Django's; named in INSTALLED_APPS."""

    default_site = "zenpro_site.admin.Site"
