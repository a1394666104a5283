"""Code for pods of runs: for whoever shows the ticket of that run, once, within an hour."""

import io
import os
import tarfile
from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone
from factories import make_template, make_template_run

from tenants.run_templates.engine.code import code_folder, freeze_folder
from tenants.run_templates.engine.pod_tickets import LIFETIME, make_ticket
from tenants.run_templates.models import TemplateRun


@pytest.fixture
def run(tenant, settings, tmp_path):
    settings.ZENPRO_DATA = tmp_path / "data"
    source = tmp_path / "source"
    (source / "steps").mkdir(parents=True)
    (source / "steps" / "train.py").write_text("print('here')\n")
    (source / "go.sh").write_text("#!/bin/sh\n")
    (source / "go.sh").chmod(0o755)
    (source / "link.py").symlink_to("steps/train.py")
    (settings.ZENPRO_DATA / "code").mkdir(parents=True)
    made = make_template_run(make_template(tenant), state="starting")
    made.code.code_hash = freeze_folder(source)
    made.code.save()
    return made


def ask(client, run_id, ticket, method="get", scheme="Bearer"):
    headers = {"Authorization": f"{scheme} {ticket}"}
    return getattr(client, method)(reverse("pods:code", args=[run_id]), headers=headers)


def refused(answer) -> bool:
    return (answer.status_code, answer.content) == (404, b"")


def test_whoever_shows_no_ticket_of_this_run_finds_nothing(client, run):
    ticket, other = make_ticket(run.pk), make_template_run(run.template, state="starting")
    assert refused(client.get(reverse("pods:code", args=[run.pk])))
    assert refused(ask(client, run.pk, "x" * 43))
    assert refused(ask(client, run.pk, ""))
    assert refused(ask(client, run.pk, ticket, scheme="Basic"))
    assert refused(ask(client, run.pk, ticket, method="post"))
    assert refused(ask(client, other.pk, ticket))
    assert refused(ask(client, uuid4(), ticket))
    assert ask(client, run.pk, ticket).status_code == 200, "none of these has spent it"


def test_a_ticket_works_once_and_ends_the_one_before(client, run):
    first, ticket = make_ticket(run.pk), make_ticket(run.pk)
    assert refused(ask(client, run.pk, first))
    assert ask(client, run.pk, ticket).status_code == 200
    assert refused(ask(client, run.pk, ticket))


def test_it_ends_by_itself_and_with_the_run(client, run):
    ticket = make_ticket(run.pk)
    TemplateRun.objects.update(ticket_until=timezone.now() - timedelta(seconds=1))
    assert refused(ask(client, run.pk, ticket))
    assert timedelta(hours=1) >= LIFETIME
    ticket = make_ticket(run.pk)
    TemplateRun.objects.update(state="failed")
    assert refused(ask(client, run.pk, ticket))


def test_a_run_without_a_ticket_has_none(client, run):
    assert refused(ask(client, run.pk, ""))
    run.refresh_from_db()
    assert run.ticket_hash == ""


def test_only_its_hash_is_kept(run):
    ticket = make_ticket(run.pk)
    run.refresh_from_db()
    assert len(run.ticket_hash) == 64 and ticket not in run.ticket_hash


def test_the_code_comes_as_it_was_frozen(client, run, tmp_path):
    answer = ask(client, run.pk, make_ticket(run.pk))
    data = b"".join(answer.streaming_content)
    assert int(answer["Content-Length"]) == len(data)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        assert {(one.uid, one.uname, one.mtime) for one in archive} == {(0, "", 0)}
        archive.extractall(tmp_path / "pod", filter="data")
    assert (tmp_path / "pod" / "steps" / "train.py").read_text() == "print('here')\n"
    assert os.readlink(tmp_path / "pod" / "link.py") == "steps/train.py"
    assert os.access(tmp_path / "pod" / "go.sh", os.X_OK)
    assert not os.access(tmp_path / "pod" / "steps" / "train.py", os.X_OK)


def test_code_that_is_gone_is_said_to_be(client, run):
    os.rename(code_folder(run.code.code_hash), code_folder("elsewhere"))
    assert ask(client, run.pk, make_ticket(run.pk)).status_code == 410
