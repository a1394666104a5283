from urllib.parse import urlsplit

from django import forms
from django.core.validators import RegexValidator

from orgs.models import RESERVED_SLUGS, slug_validator
from tenants.models import DefaultHome, Tenant
from tenants.models.tenant import own_homes
from zenpro_site.common.names import DescriptionField, NameField

OTHER = "other"
HERE, IN_CLUSTER, ELSEWHERE = "here", "kubernetes", "elsewhere"
KINDS_OF = {
    HERE: Tenant.Kind.LOCAL,
    IN_CLUSTER: Tenant.Kind.KUBERNETES,
    ELSEWHERE: Tenant.Kind.ELSEWHERE,
}
WHERE_OF = {kind: where for where, kind in KINDS_OF.items()}
OR_A_TAG = "Any release on PyPI; in Kubernetes any for which there is an image. If it can't be had, the tenant shows why."
version_validator = RegexValidator(
    r"^\d+(\.\d+){1,3}((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?$", "Enter a version as on PyPI, such as 0.98.0."
)


def homes() -> list[str]:
    """Where servers of new tenants can run in this installation; the first is meant when no one says where."""
    return [*(WHERE_OF[kind] for kind in own_homes()), ELSEWHERE]


class AddressField(forms.URLField):
    """The address of a server, without a trailing slash. Cleans to lower case where case has no meaning."""

    def __init__(self, **kwargs):
        widget = forms.URLInput(attrs={"placeholder": "https://zenml.example.org", "autocomplete": "off"})
        super().__init__(max_length=200, assume_scheme="https", widget=widget, **kwargs)

    def clean(self, value):
        value = super().clean(value)
        if not value:
            return value
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https"):
            raise forms.ValidationError("The address must begin with https:// or http://.")
        if parts.username or parts.query or parts.fragment:
            raise forms.ValidationError("Enter only host, port and path, without user, “?” or “#”.")
        return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


class TenantForm(forms.Form):
    """A new tenant, without who gets access."""

    where = forms.ChoiceField(
        choices=[
            (HERE, "Run here"),
            (IN_CLUSTER, "Kubernetes"),
            (ELSEWHERE, "A server someone else runs"),
        ],
        initial=HERE,
        required=False,
        label="Where its server runs",
    )
    server_url = AddressField(
        required=False,
        label="Address of the server",
        help_text="Where clients and ZenPro reach it.",
    )

    name = NameField(max_length=60, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    slug = forms.CharField(
        max_length=40,
        label="Address",
        validators=[slug_validator],
        help_text="Used in addresses and by the zenml client. It can't be changed later.",
        widget=forms.TextInput(
            attrs={"data-slug-of": "id_name", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    version = forms.ChoiceField(label="ZenML version")
    other_version = forms.CharField(
        max_length=20,
        required=False,
        label="Another version",
        validators=[version_validator],
        help_text="Any release on PyPI. It is installed first; if that fails, the tenant shows why.",
        widget=forms.TextInput(attrs={"placeholder": "0.98.0", "autocomplete": "off"}),
    )
    description = DescriptionField(
        max_length=300, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )

    def __init__(self, *args, org, versions, **kwargs):
        super().__init__(*args, **kwargs)
        self.org = org
        self.fields["version"].choices = [*((v, v) for v in versions), (OTHER, "Another version…")]
        where, there = self.fields["where"], homes()
        wish = WHERE_OF[DefaultHome.objects.of(org)]
        self.default_where = wish if wish in there else there[0]
        where.choices = [choice for choice in where.choices if choice[0] in there]
        where.initial = self.default_where
        if self.has_cluster:
            self.fields["other_version"].help_text = OR_A_TAG

    @property
    def has_cluster(self) -> bool:
        return IN_CLUSTER in homes()

    @property
    def has_machine(self) -> bool:
        return HERE in homes()

    @property
    def is_elsewhere(self) -> bool:
        """Also of a form that came back with errors."""
        return self["where"].value() == ELSEWHERE

    @property
    def is_in_cluster(self) -> bool:
        return self["where"].value() == IN_CLUSTER

    @property
    def is_here(self) -> bool:
        return self.has_machine and not self.is_elsewhere and not self.is_in_cluster

    def clean_slug(self) -> str:
        slug = self.cleaned_data["slug"]
        if slug in RESERVED_SLUGS or self.org.tenants.live().filter(slug=slug).exists():
            raise forms.ValidationError(f"“{slug}” is taken.", code="taken")
        return slug

    def clean(self):
        super().clean()
        self.cleaned_data["where"] = self.cleaned_data.get("where") or self.default_where
        self.cleaned_data["kind"] = KINDS_OF[self.cleaned_data["where"]]
        lacks_address = not self.cleaned_data.get("server_url") and "server_url" not in self.errors
        if self.cleaned_data["where"] == ELSEWHERE and lacks_address:
            self.add_error("server_url", "Enter the address of the server.")
        if self.cleaned_data.get("version") != OTHER:
            return
        if self.cleaned_data.get("other_version"):
            self.cleaned_data["version"] = self.cleaned_data["other_version"]
        elif "other_version" not in self.errors:
            self.add_error("other_version", "Enter a version.")


class SlugForm(forms.Form):
    """Only tells whether a slug is available."""

    slug = TenantForm.base_fields["slug"]
    clean_slug = TenantForm.clean_slug

    def __init__(self, *args, org, **kwargs):
        super().__init__(*args, **kwargs)
        self.org = org


class SettingsForm(forms.Form):
    name = NameField(max_length=60, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    description = DescriptionField(
        max_length=300, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )


class TenantDeleteForm(forms.Form):
    """Asks for the name, as a confirmation."""

    confirm = forms.CharField(label="Name", required=False)

    def __init__(self, *args, tenant, **kwargs):
        super().__init__(*args, **kwargs)
        self.tenant = tenant
        self.fields["confirm"].label = f"Type {tenant.name} to confirm"
        attrs = {"data-equals": tenant.name, "autocomplete": "off", "spellcheck": "false"}
        self.fields["confirm"].widget.attrs.update(attrs)

    def clean_confirm(self) -> str:
        if self.cleaned_data["confirm"] != self.tenant.name:
            raise forms.ValidationError(f"That doesn't match “{self.tenant.name}”.")
        return self.cleaned_data["confirm"]
