"""The ways in which code is handed over, one form each. What a form can't see, an action refuses at its field."""

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils.html import format_html, format_html_join

from tenants.run_templates.engine.archives import LARGEST
from tenants.run_templates.engine.code import CodeError
from tenants.run_templates.engine.git import LONGEST_REVISION, check_address
from zenpro_site.common.characters import storable

PLAIN = {"spellcheck": "false", "autocomplete": "off", "class": "mono"}


def clean_address(url: str) -> str:
    """For a field of a form. Raises ValidationError."""
    try:
        check_address(url)
    except CodeError as error:
        raise forms.ValidationError(error.reason, code="address") from error
    return url


class PushForm(forms.Form):
    """Nothing to fill in: sending it makes the command."""

    def __init__(self, *args, person=None, **kwargs):
        super().__init__(*args, **kwargs)


class FolderForm(forms.Form):
    location = forms.CharField(
        label="Folder",
        max_length=500,
        widget=forms.TextInput({**PLAIN, "placeholder": "/home/ada/churn"}),
        help_text="A folder on ZenPro's own machine. It is copied: later changes in it don't affect any template.",
    )

    def __init__(self, *args, person=None, **kwargs):
        super().__init__(*args, **kwargs)
        field = self.fields["location"]
        field.help_text = format_html("{} {}", field.help_text, _where_from(person))


class ArchiveForm(forms.Form):
    archive = forms.FileField(
        label="Archive",
        widget=forms.FileInput({"accept": ".zip,.tar.gz,.tgz"}),
        help_text=f"A .zip or .tar.gz file of up to {LARGEST // 1024**2} MB with the project's folder. "
        "Virtual environments and .git are left out.",
    )

    def __init__(self, *args, person=None, **kwargs):
        super().__init__(*args, **kwargs)

    def clean_archive(self) -> UploadedFile:
        given = self.cleaned_data["archive"]
        if given.size > LARGEST:
            raise forms.ValidationError(
                f"This file is larger than {LARGEST // 1024**2} MB.", code="too_large"
            )
        return given


class GitForm(forms.Form):
    url = forms.CharField(
        label="Repository",
        max_length=500,
        widget=forms.TextInput({**PLAIN, "inputmode": "url", "placeholder": "https://github.com/acme/churn"}),
        help_text="One commit of it is copied; later ones don't affect any template.",
    )
    revision = forms.CharField(
        label="Branch, tag or commit",
        required=False,
        max_length=LONGEST_REVISION,
        widget=forms.TextInput(PLAIN),
        help_text="The whole id of a commit (40 characters), or a name. Left empty, it is the main branch.",
    )
    token = forms.CharField(
        required=False,
        max_length=500,
        widget=forms.PasswordInput({"autocomplete": "off"}),
        help_text="For a private repository: a token that can read it, or name:token. Used once and not stored. Left "
        "empty, what is kept under Git access is used.",
    )

    def __init__(self, *args, person=None, **kwargs):
        super().__init__(*args, **kwargs)

    def clean_url(self) -> str:
        return clean_address(self.cleaned_data["url"])


class LayoutForm(forms.Form):
    """Where modules are imported from, and where relative paths begin. Choices are what was found in the code."""

    roots = forms.MultipleChoiceField(
        label="Modules are imported from",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one folder."},
    )
    starts_in = forms.ChoiceField(
        label="Working directory",
        required=False,
        help_text="Relative paths in the code begin here.",
    )

    def __init__(self, *args, look, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["roots"].choices = _folders([*look.roots, *look.choices, *look.of_steps])
        self.fields["starts_in"].choices = _folders(["", *look.folders, *look.roots, *look.of_steps])


def _folders(paths) -> list[tuple[str, str]]:
    """Each once, in this order; "." stands for the top, which a form could not tell from nothing.

    What no page could send is no choice: names of files are any bytes.
    """
    paths = [path for path in dict.fromkeys(paths) if storable(path)]
    return [(path or ".", f"{path}/" if path else "the top folder") for path in paths]


def _where_from(person) -> str:
    """Which directories are allowed; how to allow some, for whoever runs ZenPro."""
    if roots := settings.ZENPRO_CODE_ROOTS:
        paths = format_html_join(", ", "<code>{}</code>", ((root,) for root in roots))
        return format_html("It must lie in {}.", paths)
    words = "So far the operator of ZenPro has allowed only the example that comes with it."
    if person is not None and person.is_superuser:
        return format_html("{} Add directories in <code>ZENPRO_CODE_ROOTS</code>.", words)
    return words
