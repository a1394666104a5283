"""Pages on which code is handed over and laid out: who may not, then what they take, show and change."""

import io
import shutil
import zipfile
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.cache import caches
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from factories import make_code, make_grant, make_member, make_template, make_tenant

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor, User
from tenants.hosting.base import TenantUnreachable
from tenants.run_templates import actions, code_actions
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.engine import boxed_programs
from tests.tenants.runs.fakes import RUN_ID, churn, connect_to
from zenpro_site.common import uploads

pytestmark = pytest.mark.any_database

CHURN = Path(__file__).parents[3] / "examples" / "churn"
SNAPSHOT = churn("snapshot")


@pytest.fixture(autouse=True)
def data(settings, tmp_path):
    settings.ZENPRO_DATA, settings.ZENPRO_CODE_ROOTS = tmp_path / "data", [tmp_path]
    settings.ZENPRO_DATA.mkdir()


@pytest.fixture(autouse=True)
def connected(server, monkeypatch):
    monkeypatch.setattr(actions, "connect", connect_to(server))
    return server


@pytest.fixture
def project(tmp_path):
    return Path(shutil.copytree(CHURN, tmp_path / "project"))


@pytest.fixture
def holds(org, tenant):
    """holds("editor"): a new person with that role on the tenant."""

    def make(role: str, name: str = "Eve Example"):
        person = make_member(org, "member", name=name)
        make_grant(tenant, person, role)
        return person

    return make


@pytest.fixture
def editor(holds, as_user):
    """A client."""
    return as_user(holds("editor"))


@pytest.fixture
def version(tenant, project, holds):
    facts = {"pipeline": "churn", "snapshot": SNAPSHOT, "location": str(project)}
    return code_actions.add_folder(tenant=tenant, by=Actor(holds("editor", "Ann Author")), **facts)


@pytest.fixture
def template(tenant, version, holds):
    fields = {"snapshot": SNAPSHOT, "default_configuration": default_configuration(SNAPSHOT)}
    return make_template(tenant, "nightly", pipeline_name="churn", code=version, **fields)


def url(name: str, tenant, *args, **query) -> str:
    address = reverse(f"run_templates:{name}", args=[tenant.organization.slug, tenant.slug, *args])
    return f"{address}?{'&'.join(f'{key}={value}' for key, value in query.items())}"


def text(response) -> str:
    return response.content.decode()


def zipped(folder: Path) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for path in folder.rglob("*"):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return memory.getvalue()


def deeds():
    return [*AuditEvent.objects.exclude(action="access.refused").values_list("action", flat=True)]


# -- refusals


@pytest.mark.parametrize("query", [{}, {"run": ""}, {"run": "x"}, {"run": uuid4()}, {"template": "x"}])
def test_code_of_nothing_is_not_found(query, tenant, editor, version):
    assert editor.get(url("code_add", tenant, **query)).status_code == 404
    assert editor.get(url("code", tenant, version.pk, **query)).status_code == 404


def test_code_and_templates_of_others_are_not_found(tenant, editor, version, org, template):
    other = make_tenant(org, "staging")
    theirs = make_template(other, pipeline_name="churn")
    assert editor.get(url("code", tenant, theirs.code.pk, run=RUN_ID)).status_code == 404
    assert editor.get(url("code_add", tenant, template=theirs.pk)).status_code == 404
    own = make_template(tenant, pipeline_name="churn", created_by=User.objects.get(name="Eve Example"))
    assert editor.post(url("use_code", tenant, own.pk, theirs.code.pk)).status_code == 404


def test_code_of_another_pipeline_is_not_found(tenant, editor):
    other = make_code(tenant, "another")
    assert editor.get(url("code", tenant, other.pk, run=RUN_ID)).status_code == 404


def test_somebody_elses_template_gets_no_code(tenant, editor, template, version):
    for address in (
        url("code_add", tenant, template=template.pk),
        url("code", tenant, version.pk, template=template.pk),
        url("use_code", tenant, template.pk, make_code(tenant, "churn").pk),
    ):
        assert editor.post(address, {"roots": ["."], "starts_in": "."}).status_code == 403
    template.refresh_from_db()
    assert template.code == version


def test_a_tenant_that_does_not_answer_is_told(tenant, editor, version, connected):
    connected.error = TenantUnreachable("The server does not answer in time.")
    for address in (url("code_add", tenant, run=RUN_ID), url("code", tenant, version.pk, run=RUN_ID)):
        for response in (editor.get(address), editor.post(address, {"roots": ["."], "starts_in": "."})):
            assert (response.status_code, "does not answer" in text(response)) == (503, True)
    assert deeds() == ["code.added"]


@pytest.mark.parametrize(
    ("way", "data", "field", "reason"),
    [
        ("upload", {}, "archive", "required"),
        ("upload", {"archive": SimpleUploadedFile("x.zip", b"no archive")}, "archive", "neither"),
        ("git", {"url": ""}, "url", "required"),
        ("git", {"url": "file:///etc"}, "url", "https://"),
        ("git", {"url": "ext::sh%20-c%20id"}, "url", "https://"),
        ("folder", {"location": "relative"}, "location", "full path"),
        ("folder", {"location": "/etc"}, "location", "only come from directories"),
    ],
)
def test_what_cannot_be_taken_is_told_at_its_field(way, data, field, reason, tenant, editor):
    response = editor.post(url("code_add", tenant, run=RUN_ID, way=way), data)
    assert response.status_code == 422
    assert reason in " ".join(response.context["form"].errors[field])
    assert (tenant.code_versions.count(), deeds()) == (0, [])


def test_an_archive_that_is_too_large_is_told_at_its_field(tenant, editor, monkeypatch):
    monkeypatch.setattr("tenants.run_templates.pages.code_forms.LARGEST", 10)
    sent = {"archive": SimpleUploadedFile("x.zip", b"0" * 11)}
    response = editor.post(url("code_add", tenant, run=RUN_ID, way="upload"), sent)
    assert "This file is larger than" in response.context["form"].errors["archive"][0]


def test_what_is_larger_than_any_archive_is_not_read(tenant, editor, monkeypatch, client):
    monkeypatch.setattr(uploads, "LARGEST_CODE", 1000)
    monkeypatch.setattr(uploads, "LARGEST", 100)
    sent = {"archive": SimpleUploadedFile("x.zip", b"0" * 1001)}
    response = editor.post(url("code_add", tenant, run=RUN_ID, way="upload"), sent)
    assert (response.status_code, "This request is too large" in text(response)) == (400, True)
    sent = {"archive": SimpleUploadedFile("x.zip", b"0" * 101)}
    assert client.post("/accounts/login/", sent).status_code == 400


def test_forms_name_the_directories_that_are_allowed(tenant, editor, settings):
    settings.ZENPRO_CODE_ROOTS = [Path("/srv/code"), Path("/home/<ada>")]
    page = text(editor.get(url("code_add", tenant, run=RUN_ID, way="folder")))
    assert "It must lie in <code>/srv/code</code>, <code>/home/&lt;ada&gt;</code>." in page


def test_only_superusers_are_told_how_directories_are_allowed(tenant, editor, settings, as_user, superuser):
    settings.ZENPRO_CODE_ROOTS = []
    page = text(editor.get(url("code_add", tenant, run=RUN_ID, way="folder")))
    assert "So far the operator of ZenPro has allowed only the example" in page
    assert "ZENPRO_CODE_ROOTS" not in page
    superuser.memberships.create(organization=tenant.organization)
    make_grant(tenant, superuser, "editor")
    page = text(as_user(superuser).get(url("code_add", tenant, run=RUN_ID, way="folder")))
    assert "<code>ZENPRO_CODE_ROOTS</code>" in page


# -- adding


def test_from_an_archive_to_a_template(tenant, editor, project):
    """Upload, check, create: each leads to the next."""
    sent = {"archive": SimpleUploadedFile("churn.zip", zipped(project))}
    response = editor.post(url("code_add", tenant, run=RUN_ID, way="upload"), sent)
    version = tenant.code_versions.get()
    assert response.url == url("code", tenant, version.pk, run=RUN_ID)
    assert (version.kind, version.origin, version.number) == ("archive", "churn.zip", 1)
    page = text(editor.get(response.url))
    assert page.count('<span class="sr">Found</span>') == 5
    assert page.count("same as in the run") == 5
    assert "churn/steps.py</code>, line" in page
    response = editor.post(response.url, {"roots": ["."], "starts_in": ".", "do": "use"})
    assert response.url == url("create", tenant, run=RUN_ID, code=version.pk)
    editor.post(response.url, {"name": "nightly", "requirements": "", "code": version.pk})
    assert tenant.templates.get().code == version
    assert sorted(deeds()) == ["code.added", "template.created"]


def test_the_upload_leaves_no_file_behind(tenant, editor, project, settings):
    sent = {"archive": SimpleUploadedFile("churn.zip", zipped(project))}
    editor.post(url("code_add", tenant, run=RUN_ID, way="upload"), sent)
    assert [*(settings.ZENPRO_DATA / "uploads").iterdir()] == []


def test_a_step_that_is_not_there_is_shown_and_stops(tenant, editor, project):
    (project / "churn" / "steps.py").write_text("x = 1\n")
    response = editor.post(url("code_add", tenant, run=RUN_ID, way="folder"), {"location": str(project)})
    page = text(editor.get(response.url))
    assert page.count('<span class="sr">Not found</span>') == 5
    assert "has no such step" in page
    assert "5 of 5 steps are not in this code." in page
    assert "Use this code" not in page, "It would be refused."
    version = tenant.code_versions.get()
    type(version).objects.update(starts_in="data")
    response = editor.post(response.url, {"roots": ["."], "starts_in": ".", "do": "use"})
    assert response.status_code == 422
    assert "which is not in this code" in " ".join(response.context["form"].errors["roots"])


def test_an_edited_step_is_shown_as_one(tenant, editor, project, version):
    steps = project / "churn" / "steps.py"
    steps.write_text(steps.read_text().replace("return", "return  # edited\n    return", 1))
    response = editor.post(url("code_add", tenant, run=RUN_ID, way="folder"), {"location": str(project)})
    page = text(editor.get(response.url))
    assert (page.count("edited since the run"), page.count("same as in the run")) == (1, 4)


def test_code_that_cannot_be_looked_at_now_is_told(tenant, editor, version, monkeypatch):
    caches["local"].clear()  # what an earlier test has looked at
    monkeypatch.setattr(boxed_programs.PLACES, "patience", 0.01)
    with boxed_programs.PLACES.one(str(tenant.pk)):
        response = editor.get(url("code", tenant, version.pk, run=RUN_ID))
    assert (response.status_code, "Other code is being read right now." in text(response)) == (503, True)
    assert "Try again</a>" in text(response)


def test_looking_again_changes_nothing(tenant, editor, version):
    response = editor.post(
        url("code", tenant, version.pk, run=RUN_ID), {"roots": ["."], "starts_in": ".", "do": "look"}
    )
    assert (response.status_code, deeds()) == (200, ["code.added"])


@pytest.mark.parametrize("layout", [{}, {"roots": ["/etc"]}, {"roots": ["."], "starts_in": "../.."}])
def test_a_layout_that_is_no_choice_is_told(layout, tenant, editor, version):
    response = editor.post(url("code", tenant, version.pk, run=RUN_ID), layout)
    assert (response.status_code, deeds()) == (422, ["code.added"])


def test_names_of_a_hostile_run_are_shown_as_text(tenant, editor, version, connected):
    odd = churn("snapshot")
    steps = odd["metadata"]["step_configurations"]
    first = next(iter(steps))
    steps["<b>odd</b>\ud800"] = steps.pop(first)
    connected.snapshots[odd["id"]] = odd
    page = text(editor.get(url("code", tenant, version.pk, run=RUN_ID)))
    assert "&lt;b&gt;odd&lt;/b&gt;\ufffd" in page and "<b>odd" not in page


# -- of a template


def test_a_template_gets_new_code_and_the_page_says_which(tenant, as_user, holds, template, project):
    admin = as_user(holds("admin", "Bo Baker"))
    (project / "churn" / "data.py").open("a").write("\n# new\n")
    address = url("code_add", tenant, template=template.pk, way="folder")
    response = admin.post(address, {"location": str(project)})
    response = admin.post(response.url, {"roots": ["."], "starts_in": ".", "do": "use"})
    assert response.url == template.get_absolute_url()
    template.refresh_from_db()
    assert (template.code.number, template.code_chosen_by.name) == (2, "Bo Baker")
    page = text(admin.get(response.url))
    assert "nightly now runs code v2." in page
    assert page.index("<b>v2</b>") < page.index("in use") < page.index("<b>v1</b>")


def test_one_click_back(tenant, as_user, holds, template, version):
    admin = as_user(holds("admin"))
    other = make_code(tenant, "churn", code_hash=version.code_hash)
    type(template).objects.update(code=other)
    response = admin.post(url("use_code", tenant, template.pk, version.pk), follow=True)
    assert "nightly now runs code v1." in text(response)
    template.refresh_from_db()
    assert template.code == version


def test_code_without_a_step_is_refused_with_the_reason(tenant, as_user, holds, template, project):
    (project / "churn" / "steps.py").write_text("x = 1\n")
    facts = {"pipeline": "churn", "snapshot": SNAPSHOT, "location": str(project)}
    other = code_actions.add_folder(tenant=tenant, by=Actor(holds("editor")), **facts)
    response = as_user(holds("admin")).post(url("use_code", tenant, template.pk, other.pk), follow=True)
    assert "which is not in this code" in text(response)
    template.refresh_from_db()
    assert template.code.number == 1


def test_viewers_see_versions_and_no_way_to_change_them(tenant, as_user, holds, template):
    make_code(tenant, "churn")
    page = text(as_user(holds("viewer")).get(template.get_absolute_url()))
    assert "<b>v1</b>" in page and "<b>v2</b>" in page
    assert "Use this" not in page and "Add code" not in page


# -- the commit that ZenML recorded of a run

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = str(uuid4())
GITHUB = {"owner": "acme", "repository": "churn", "token": "s3cret", "url": "https://api.github.com"}


@pytest.fixture
def recorded(connected, tenant, editor):
    """recorded(config): what the form for git begins with, when the run's commit is of a repository with that config."""

    def look(config, commit=COMMIT, repository=REPOSITORY):
        body = {"commit": commit, "subdirectory": "", "code_repository": {"id": repository}}
        connected.run_answers[str(RUN_ID)]["resources"]["code_reference"] = {"body": body}
        connected.repositories[REPOSITORY] = {"id": REPOSITORY, "metadata": {"config": config}}
        response = editor.get(url("code_add", tenant, run=RUN_ID))
        assert (response.status_code, response.context["way"]) == (200, "git")
        assert "s3cret" not in text(response)
        return response.context["form"].initial.get("url")

    return look


@pytest.mark.parametrize(
    "config",
    [
        None,
        [],
        {"url": 1},
        {"url": "file:///etc"},
        {"url": "ext::sh -c id"},
        {"url": "https://ada:s3cret@example.org/x"},
        {"owner": "a", "repository": ["b"]},
        {"owner": "a", "repository": "b", "host": "x y"},
    ],
)
def test_a_repository_that_is_nowhere_is_not_proposed(recorded, config):
    assert recorded(config) is None


@pytest.mark.parametrize("commit", ["main", "", None, COMMIT[:-1], f"{COMMIT}\n", 1])
def test_what_is_no_commit_is_not_proposed(recorded, commit):
    assert recorded(GITHUB, commit=commit) is None


@pytest.mark.parametrize("repository", [None, "x", "../x", "0d9f6a4e-8a3b-4c38-9a54-3f7d0a3a9c11", {}])
def test_a_repository_that_is_not_there_is_not_proposed(recorded, repository):
    assert recorded(GITHUB, repository=repository) is None


@pytest.mark.parametrize(
    ("config", "address"),
    [
        (GITHUB, "https://github.com/acme/churn"),
        ({**GITHUB, "host": "git.acme.org"}, "https://git.acme.org/acme/churn"),
        ({"group": "a/b", "project": "churn"}, "https://gitlab.com/a/b/churn"),
        ({"url": "https://example.org/x.git"}, "https://example.org/x.git"),
    ],
)
def test_the_commit_of_a_run_is_proposed(recorded, connected, config, address):
    connected.calls.clear()
    assert recorded(config) == address
    assert connected.calls == ["run", "snapshot", "code_repository"]


def test_another_way_is_one_click_away_and_asks_for_no_repository(recorded, connected, editor, tenant):
    recorded(GITHUB)
    connected.calls.clear()
    response = editor.get(url("code_add", tenant, run=RUN_ID, way="push"))
    assert (response.context["way"], connected.calls) == ("push", ["run", "snapshot"])
