"""Code pushed from a terminal: who may not, what is refused, then with the real curl, git and tar."""

import io
import json
import re
import shutil
import subprocess
import tarfile
from datetime import timedelta
from html import escape, unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from factories import make_grant, make_key, make_member, make_template

from orgs.audit.models import AuditEvent
from orgs.models import Organization
from orgs.users.models import User
from tenants.hosting.base import TenantUnreachable
from tenants.models import Tenant
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.models import CodeVersion, PushKey
from tenants.run_templates.push_keys import text_of
from tests.streams import Endless
from tests.tenants.runs.fakes import RUN_ID, churn

CHURN = Path(__file__).parents[3] / "examples" / "churn"
SNAPSHOT = churn("snapshot")
PATIENCE = 60  # seconds for a command


@pytest.fixture(autouse=True)
def data(settings, tmp_path):
    settings.ZENPRO_DATA = tmp_path / "data"
    settings.ZENPRO_DATA.mkdir()


@pytest.fixture
def person(org, tenant):
    person = make_member(org, "member", name="Eve Example")
    make_grant(tenant, person, "editor")
    return person


@pytest.fixture
def key(tenant, person, server):
    return PushKey.objects.create(tenant=tenant, run_id=RUN_ID, person=person)


def packed(folder=CHURN) -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:gz") as archive:
        archive.add(folder, arcname=".")
    return memory.getvalue()


def push(text: str, body: bytes = b"", client=None, content_type="application/x-www-form-urlencoded"):
    """As curl sends it, which calls everything a form."""
    headers = {"Authorization": f"Bearer {text}"}
    return (client or Client()).post("/push/", body, content_type=content_type, headers=headers)


def own_template(key):
    fields = {"snapshot": SNAPSHOT, "default_configuration": default_configuration(SNAPSHOT)}
    return make_template(key.tenant, pipeline_name="churn", created_by=key.person, **fields)


def said(response) -> str:
    return response.content.decode()


def page_of(key) -> str:
    tenant = key.tenant
    return reverse("run_templates:push", args=[tenant.organization.slug, tenant.slug, key.pk])


# -- refusals


@pytest.mark.parametrize("text", ["", "x", "x.y", "07f87c7e506240b4bd8f8597e24593f6.abc", "é.x", "."])
def test_no_key_opens_nothing(text, db):
    response = push(text, packed())
    assert (response.status_code, "no longer valid" in said(response)) == (401, True)


def test_a_changed_key_opens_nothing(key):
    text = text_of(key)
    other = PushKey.objects.create(tenant=key.tenant, run_id=RUN_ID, person=key.person)
    for wrong in (text[:-1], f"{other.pk.hex}.{text.partition('.')[2]}", text.upper()):
        assert push(wrong, packed()).status_code == 401
    assert not CodeVersion.objects.exists()


def test_a_session_opens_nothing(key, as_user):
    assert as_user(key.person).post("/push/", packed(), content_type="application/gzip").status_code == 401


def test_a_key_lives_for_minutes(key):
    PushKey.objects.update(made_at=timezone.now() - timedelta(minutes=31))
    assert push(text_of(key), packed()).status_code == 401
    PushKey.objects.update(made_at=timezone.now() - timedelta(minutes=29))
    assert push(text_of(key), packed()).status_code == 201


@pytest.mark.parametrize("change", ["password", "signed out", "inactive"])
def test_a_key_ends_with_the_sessions_of_its_person(change, key):
    text = text_of(key)
    values = {"password": {"password": "x"}, "signed out": {"sign_outs": 1}, "inactive": {"is_active": False}}
    User.objects.filter(pk=key.person.pk).update(**values[change])
    assert push(text, packed()).status_code == 401


def test_whoever_lost_the_right_is_refused(key):
    key.tenant.grants.all().delete()
    response = push(text_of(key), packed())
    assert (response.status_code, said(response)) == (403, "You can no longer add code here.\n")
    assert not CodeVersion.objects.exists()


@pytest.mark.parametrize("change", ["two-factor", "deleted"])
def test_a_key_opens_no_more_than_its_person_may_enter(key, change):
    if change == "two-factor":
        Organization.objects.update(requires_two_factor=True)
    else:
        Tenant.objects.update(desired_state="deleted", deleted_at=timezone.now())
    response = push(text_of(key), packed())
    assert (response.status_code, said(response)) == (403, "You can no longer add code here.\n")
    assert not CodeVersion.objects.exists()


def test_a_template_of_somebody_else_gets_no_code(key):
    PushKey.objects.update(run_id=None, template=make_template(key.tenant))
    assert push(text_of(key), packed()).status_code == 403


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [(b"", 422, "neither"), (b"hello", 422, "neither"), (b"\x1f\x8b\x08rubbish", 422, "damaged")],
)
def test_what_is_no_archive_is_told_in_the_terminal_and_on_the_page(body, status, reason, key, as_user):
    response = push(text_of(key), body)
    assert response.status_code == status
    assert reason in said(response)
    page = said(as_user(key.person).get(page_of(key)))
    assert "What came was not taken." in page and reason in page
    assert not CodeVersion.objects.exists()


def test_more_than_an_archive_may_have_is_not_read_to_its_end(key, monkeypatch, settings):
    monkeypatch.setattr("tenants.run_templates.pages.push_views.LARGEST", 1000)
    response = push(text_of(key), b"0" * 1001)
    assert (response.status_code, "more than 50 MB" in said(response)) == (413, True)
    assert [*(settings.ZENPRO_DATA / "uploads").iterdir()] == []


def test_a_tenant_that_does_not_answer_is_told(key, server):
    server.error = TenantUnreachable("The server does not answer in time.")
    response = push(text_of(key), packed())
    assert (response.status_code, "does not answer" in said(response)) == (503, True)


def test_the_page_is_only_for_its_person(key, org, tenant, as_user):
    other = make_member(org, "member", name="Bo Baker")
    make_grant(tenant, other, "admin")
    response = as_user(other).get(page_of(key))
    assert (response.status_code, text_of(key) in said(response)) == (404, False)
    assert text_of(key) in said(as_user(key.person).get(page_of(key)))


def test_200_megabytes_are_refused_while_they_arrive(key):
    """Read in pieces up to the limit and not further; the page says why."""
    stream = Endless()
    headers = {"Authorization": f"Bearer {text_of(key)}"}
    size = {"wsgi.input": stream, "CONTENT_LENGTH": str(200 * 1024**2)}
    response = Client().generic("POST", "/push/", b"", "application/gzip", headers=headers, **size)
    assert (response.status_code, "more than 50 MB" in said(response)) == (413, True)
    assert 50 * 1024**2 < stream.given < 52 * 1024**2
    assert "more than 50 MB" in PushKey.objects.get().refusal


# -- what it does


def test_what_comes_is_a_version_and_the_page_leads_on(key, as_user):
    client = as_user(key.person)
    assert "Waiting for the code." in said(client.get(page_of(key)))
    response = push(text_of(key), packed())
    version = key.tenant.code_versions.get()
    assert (version.kind, version.number, version.created_by) == ("push", 1, key.person)
    address = reverse("run_templates:code", args=[key.tenant.organization.slug, key.tenant.slug, version.pk])
    assert said(response).startswith(f"Received {version.files} files as code v1. Check it here:\nhttp")
    assert f"{address}?run={RUN_ID}" in said(response)
    page = said(client.get(page_of(key)))
    assert f'href="{address}?run={RUN_ID}"' in page and "every 2s" not in page
    row = AuditEvent.objects.get(action="code.added")
    assert (row.actor, row.after["pipeline"]) == (key.person, "churn")


@pytest.mark.parametrize("door", ["run", "change"])
def test_a_push_leads_back_to_the_door_it_was_asked_for_at(door, key, as_user):
    """In the terminal and on the page, up to the run that is asked for; whoever pastes it has no address of the page."""
    client, tenant = as_user(key.person), key.tenant
    args = [tenant.organization.slug, tenant.slug]
    add = f"{reverse('run_templates:code_add', args=args)}?run={RUN_ID}&again={door}"
    page = client.post(f"{add}&way=push").url
    mine = PushKey.objects.exclude(pk=key.pk).get()
    assert page == page_of(mine)
    printed = said(push(text_of(mine), packed())).split()[-1]
    version = tenant.code_versions.get()
    assert printed.endswith(f"/code/{version.pk}/?run={RUN_ID}&again={door}")
    path = f"/{printed.partition('//')[2].partition('/')[2]}"
    assert f'href="{escape(path)}"' in said(client.get(page))
    layout = {"roots": [root or "." for root in version.roots], "starts_in": "."}
    onward = client.post(path, {**layout, "do": "use"}).url
    prepare = reverse("run_templates:prepare", args=[*args, RUN_ID])
    assert onward == f"{prepare}?do={door}&code={version.pk}"
    assert client.get(onward).context["door"] == door


def test_a_command_that_ended_leads_to_a_new_one_for_the_same_door(key, as_user):
    PushKey.objects.update(again="change", made_at=timezone.now() - timedelta(minutes=31))
    page = said(as_user(key.person).get(page_of(key)))
    assert f"?run={RUN_ID}&amp;again=change" in page


def test_the_printed_address_survives_signing_in(key, client):
    PushKey.objects.update(again="change")
    printed = said(push(text_of(key), packed())).split()[-1]
    path = f"/{printed.partition('//')[2].partition('/')[2]}"
    asked = client.get(path)
    assert parse_qs(urlsplit(asked.url).query)["next"] == [path]


def test_a_door_that_is_none_is_none(key, as_user):
    add = reverse("run_templates:code_add", args=[key.tenant.organization.slug, key.tenant.slug])
    as_user(key.person).post(f"{add}?run={RUN_ID}&again=//evil.example&way=push")
    assert {*PushKey.objects.values_list("again", flat=True)} == {""}


def test_a_refusal_is_forgotten_when_the_next_one_fits(key, as_user):
    push(text_of(key), b"x")
    push(text_of(key), packed())
    assert "was not taken" not in said(as_user(key.person).get(page_of(key)))


def test_for_a_template_no_server_is_asked(key, server):
    own = own_template(key)
    PushKey.objects.update(run_id=None, template=own)
    response = push(text_of(key), packed())
    assert (response.status_code, server.calls) == (201, [])
    assert f"?template={own.pk}" in said(response)


def test_the_text_of_a_key_is_not_stored(key):
    stored = PushKey.objects.values().get()
    assert not any(text_of(key).partition(".")[2] in str(value) for value in stored.values())


def test_old_keys_go_when_a_new_one_is_made(key, as_user):
    PushKey.objects.update(made_at=timezone.now() - timedelta(days=2))
    tenant = key.tenant
    add = reverse("run_templates:code_add", args=[tenant.organization.slug, tenant.slug])
    response = as_user(key.person).post(f"{add}?run={RUN_ID}&way=push")
    new = PushKey.objects.get()
    assert (new.pk != key.pk, response.url) == (True, page_of(new))
    assert AuditEvent.objects.get(action="code.push_allowed").after["pipeline"] == "churn"


# -- the commands of the page, as somebody pastes them


@pytest.fixture
def commands(transactional_db, key, as_user, live_server, settings):
    settings.ZENPRO_URL = live_server.url
    page = said(as_user(key.person).get(page_of(key)))
    found = re.findall(r'data-copy="([^"]+)"', page)
    return [command.replace("&quot;", '"') for command in found]


def pasted(command: str, folder: Path) -> str:
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert done.stderr == ""
    return done.stdout


def test_the_git_command(commands, key, tmp_path):
    """What is committed comes, and says which commit it is; what is not stays."""
    folder = tmp_path / "project"
    commit = committed(folder)
    (folder / "notes.txt").write_text("mine")
    files = subprocess.run(["git", "ls-files"], cwd=folder, capture_output=True, text=True, check=True)
    assert "as code v1" in pasted(commands[0], folder)
    version = key.tenant.code_versions.get()
    assert (version.files, version.commit) == (len(files.stdout.split()), commit)


def committed(folder: Path) -> str:
    """A git repository of the example; returns its commit."""
    shutil.copytree(CHURN, folder, ignore=shutil.ignore_patterns("__pycache__"))
    config = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    for words in (["init", "-q"], ["add", "."], [*config, "commit", "-qm", "first"]):
        subprocess.run(["git", *words], cwd=folder, timeout=PATIENCE, check=True)
    head = ["git", "rev-parse", "HEAD"]
    return subprocess.run(head, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def test_the_line_for_ci(transactional_db, key, as_user, live_server, settings, tmp_path, monkeypatch):
    """As the template's page shows it: a job that only has a key brings the template the code of its commit."""
    settings.ZENPRO_URL = live_server.url
    template = own_template(key)
    page = said(as_user(key.person).get(template.get_absolute_url()))
    line = re.search(r'aria-label="Command for CI">.*?</span>(.+?)</pre>', page, re.DOTALL)[1]
    commit = committed(tmp_path / "project")
    monkeypatch.setenv("ZENPRO_KEY", make_key(key.person).secret)
    answer = json.loads(pasted(unescape(line), tmp_path / "project"))
    template.refresh_from_db()
    assert (answer["id"], answer["commit"]) == (str(template.code_id), commit)
    assert (template.code.came_from, template.code_chosen_by) == ("pushed from a terminal", key.person)


def test_the_line_for_ci_is_for_those_who_can_use_it(key, as_user):
    template = own_template(key)
    viewer = make_member(key.tenant.organization, "member")
    make_grant(key.tenant, viewer, "viewer")
    assert "$ZENPRO_KEY" not in said(as_user(viewer).get(template.get_absolute_url()))


def test_the_tar_command(commands, key, tmp_path):
    """Environments, caches and the history of git stay."""
    folder = Path(shutil.copytree(CHURN, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__")))
    before = sum(path.is_file() for path in folder.rglob("*") if "__pycache__" not in path.parts)
    for name in (".git/config", ".venv/bin/python", "node_modules/x.js", "churn/__pycache__/x.pyc"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    assert "as code v1" in pasted(commands[1], folder)
    assert key.tenant.code_versions.get().files == before
