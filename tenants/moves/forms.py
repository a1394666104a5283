from tenants.hosting.forms import TenantDeleteForm


class MoveForm(TenantDeleteForm):
    """Asks for the name, as a confirmation."""
