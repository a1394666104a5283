from django import forms

from zenpro_site.common.names import NameField

from .exchange import LONGEST, read
from .models import Role


def _refuse_taken(organization, level: str, name: str, besides=None) -> None:
    others = organization.roles.filter(level=level, name__iexact=name).exclude(pk=besides)
    if others.exists():
        raise forms.ValidationError("There is already a role with this name.", code="taken")


class RoleForm(forms.ModelForm):
    """Name and description of a role; `instance` says organization and level."""

    class Meta:
        model = Role
        fields = ["name", "description"]
        help_texts = {"description": "What it is for, in one sentence."}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs["autocomplete"] = "off"

    def clean_name(self) -> str:
        name, role = self.cleaned_data["name"], self.instance
        _refuse_taken(role.organization, role.level, name, role.pk)
        return name


class CreateForm(RoleForm):
    """A role starts from another one: built on it, always with its rights, or as a copy of it."""

    start = forms.ChoiceField(label="Start from")

    def __init__(self, *args, roles, **kwargs):
        super().__init__(*args, **kwargs)
        self.roles = {str(role.pk): role for role in roles}
        predefined = [role for role in roles if role.predefined]
        self.fields["start"].choices = [
            (
                "Always includes its rights",
                [(f"base:{role.pk}", f"Build on {role}") for role in predefined],
            ),
            ("Any right can be removed", [(f"copy:{role.pk}", f"Copy of {role}") for role in roles]),
        ]
        if not self.initial.get("start"):
            self.initial["start"] = f"base:{predefined[-1].pk}"  # the weakest

    @property
    def about(self) -> dict:
        """Keyword arguments of actions.create_role."""
        how, _, pk = self.cleaned_data["start"].partition(":")
        source = self.roles[pk]
        found = {name: self.cleaned_data[name] for name in ("name", "description")}
        base = source if how == "base" else source.base
        return {**found, "level": source.level, "base": base, "rights": source.rights}


class ImportForm(forms.Form):
    """An exported role, as a file or as text."""

    file = forms.FileField(label="File", required=False, allow_empty_file=True)
    text = forms.CharField(
        label="Or its text",
        required=False,
        widget=forms.Textarea(attrs={"class": "yaml", "spellcheck": "false"}),
    )
    name = NameField(
        label="Name",
        required=False,
        max_length=60,
        help_text="Leave empty to use the name in the document.",
    )

    def __init__(self, *args, organization, **kwargs):
        super().__init__(*args, **kwargs)
        self.organization = organization

    def clean(self) -> dict:
        data = super().clean()
        try:
            about = read(self._document(data))
        except ValueError as error:
            self.add_error("file" if data.get("file") else "text", str(error))
            return data
        about["name"] = data.get("name") or about["name"]
        if not about["name"]:
            self.add_error("name", "The document has no name. Enter one.")
        about["base"] = self._base(about)
        self._refuse_taken(about)
        self.about = about
        return data

    def _document(self, data: dict) -> str:
        if not data.get("file"):
            if not data.get("text"):
                raise ValueError("Choose a file or paste its text.")
            return data["text"]
        if data["file"].size > LONGEST:
            raise ValueError("This is too long to be a role.")
        try:
            return data["file"].read().decode()
        except UnicodeDecodeError as error:
            raise ValueError("This is not a text file.") from error

    def _base(self, about: dict) -> Role | None:
        if not about["base"]:
            return None
        found = self.organization.roles.filter(
            level=about["level"], slug=about["base"], predefined=True
        ).first()
        if not found:
            self.add_error(None, f"{self.organization} has no predefined role “{about['base']}” to build on.")
        return found

    def _refuse_taken(self, about: dict) -> None:
        try:
            _refuse_taken(self.organization, about["level"], about["name"])
        except forms.ValidationError as error:
            self.add_error("name", error)


class RoleDeleteForm(forms.Form):
    """Which role takes the place of the deleted one."""

    replacement = forms.ModelChoiceField(queryset=None, label="Replace with", empty_label="Choose a role")

    def __init__(self, *args, role: Role, needed: bool, **kwargs):
        super().__init__(*args, **kwargs)
        others = role.organization.roles.filter(level=role.level).exclude(pk=role.pk)
        self.fields["replacement"].queryset = others
        self.fields["replacement"].required = needed
