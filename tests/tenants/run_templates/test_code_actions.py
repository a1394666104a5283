"""Versions of a pipeline's code: what is refused, what is kept, and what a template runs."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.utils import timezone
from factories import make_code, make_member, make_template, make_template_run, make_tenant

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.run_templates import actions, code_actions
from tenants.run_templates.actions import TemplateRefused
from tenants.run_templates.code_actions import CodeRefused
from tenants.run_templates.models import CodeVersion, RunTemplate
from tests.tenants.runs.fakes import churn
from zenpro_site.common import shared_files
from zenpro_site.common.shared_files import ALIAS

CHURN = Path(__file__).parents[3] / "examples" / "churn"
SNAPSHOT = churn("snapshot")


@pytest.fixture(autouse=True)
def data(settings, tmp_path):
    settings.ZENPRO_DATA, settings.ZENPRO_CODE_ROOTS = tmp_path / "data", [tmp_path]
    return settings.ZENPRO_DATA


@pytest.fixture
def by(org):
    return Actor(make_member(org, name="Bo Baker"))


@pytest.fixture
def project(tmp_path):
    return Path(shutil.copytree(CHURN, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__")))


@pytest.fixture
def add(tenant, project, by):
    """add(): the project as it is now, as the next version."""
    facts = {"tenant": tenant, "pipeline": "churn", "snapshot": SNAPSHOT, "location": str(project)}
    return lambda **other: code_actions.add_folder(by=by, **{**facts, **other})


def deeds():
    return [*AuditEvent.objects.order_by("pk").values_list("action", flat=True)]


def change(project):
    (project / "churn" / "data.py").open("a").write("\n# new\n")


@pytest.mark.parametrize(
    ("location", "reason"), [("relative", "full path"), ("/no/such/place", "only come from directories")]
)
def test_a_folder_that_cannot_be_taken_is_refused_at_its_field(add, tenant, location, reason):
    with pytest.raises(CodeRefused, match=reason) as refusal:
        add(location=location)
    assert (refusal.value.field, tenant.code_versions.count(), deeds()) == ("location", 0, [])


def test_a_file_that_is_no_archive_is_refused_at_its_field(tenant, tmp_path, by):
    (tmp_path / "x.zip").write_bytes(b"hello")
    facts = {"tenant": tenant, "pipeline": "churn", "snapshot": SNAPSHOT, "name": "x.zip"}
    with pytest.raises(CodeRefused, match="neither") as refusal:
        code_actions.add_archive(archive=tmp_path / "x.zip", by=by, **facts)
    assert (refusal.value.field, tenant.code_versions.count(), deeds()) == ("archive", 0, [])


def test_nothing_is_added_where_the_disk_is_full(add, tenant, monkeypatch):
    monkeypatch.setattr(code_actions, "refusal_of_budget", lambda tenant: "The budget is used up.")
    with pytest.raises(CodeRefused, match="budget is used up"):
        add()
    assert not tenant.code_versions.exists()


def test_versions_are_counted_for_each_pipeline_and_the_same_code_is_one(add, project, tenant, org):
    first = add()
    assert (first.number, first.roots, first.starts_in, first.kind) == (1, [""], "", "folder")
    assert (first.files, first.bytes > 1000) == (sum(path.is_file() for path in project.rglob("*")), True)
    assert add() == first
    change(project)
    second = add()
    assert (second.number, second.code_hash != first.code_hash) == (2, True)
    assert add(tenant=make_tenant(org, "staging")).number == 1
    assert add(pipeline="another").number == 1
    assert deeds() == ["code.added"] * 4


def test_going_back_to_earlier_code_is_a_new_version(add, project):
    """The newest is what the folder holds now."""
    first, before = add(), (project / "churn" / "data.py").read_text()
    change(project)
    add()
    (project / "churn" / "data.py").write_text(before)
    third = add()
    assert (third.number, third.code_hash) == (3, first.code_hash)


def test_a_layout_must_be_of_the_code_and_have_every_step(add, by):
    version = add()
    for roots, starts_in, field, reason in (
        (["data"], "", "roots", "only be imported from a folder of the code"),
        (["", "/etc"], "", "roots", "only be imported from a folder of the code"),
        ([""], "../..", "starts_in", "must be a folder of the code"),
    ):
        layout = {"roots": roots, "starts_in": starts_in}
        with pytest.raises(CodeRefused, match=reason) as refusal:
            code_actions.lay_out(version=version, snapshot=SNAPSHOT, by=by, **layout)
        assert refusal.value.field == field
    version.refresh_from_db()
    assert (version.roots, version.starts_in, deeds()) == ([""], "", ["code.added"])


def test_a_layout_changes_a_version_only_until_somebody_uses_it(add, by, tenant):
    version = add()
    type(version).objects.update(starts_in="data")
    version.refresh_from_db()
    layout = {"snapshot": SNAPSHOT, "roots": [""], "by": by}
    assert code_actions.lay_out(version=version, starts_in="", **layout) == version
    assert deeds() == ["code.added", "code.laid_out"]
    type(version).objects.update(starts_in="data")
    version.refresh_from_db()
    make_template_run(
        make_template(tenant, pipeline_name="churn", code=make_code(tenant, "churn")), code=version
    )
    other = code_actions.lay_out(version=version, starts_in="", **layout)
    version.refresh_from_db()
    assert (version.starts_in, other.starts_in, other.number) == ("data", "", 3)
    assert (other.code_hash, other.files, other.created_by) == (version.code_hash, version.files, by.person)
    assert deeds() == ["code.added", "code.laid_out", "code.added"]


def test_a_version_that_is_handed_over_again_waits_for_another_day(add, tenant):
    first = add()
    long_ago = timezone.now() - timedelta(days=3)
    CodeVersion.objects.update(created_at=long_ago)
    assert add() == first
    assert tenant.code_versions.get().created_at > long_ago + timedelta(days=2)
    make_template(tenant, pipeline_name="churn", snapshot=SNAPSHOT, code=first)
    CodeVersion.objects.update(created_at=long_ago)
    assert add() == first
    assert tenant.code_versions.get().created_at == long_ago, "One that is used waits for nobody."


def test_a_template_goes_over_to_new_code_and_back_and_runs_keep_theirs(add, project, tenant, by):
    first = add()
    template = make_template(tenant, pipeline_name="churn", snapshot=SNAPSHOT, code=first)
    run = make_template_run(template)
    change(project)
    actions.change_code(template=template, code=add(), by=by)
    template.refresh_from_db()
    run.refresh_from_db()
    assert (template.code.number, template.code_chosen_by, run.code) == (2, by.person, first)
    actions.change_code(template=template, code=first, by=by)
    template.refresh_from_db()
    assert template.code == first
    assert deeds() == ["code.added", "code.added", "template.code_changed", "template.code_changed"]


def test_a_template_keeps_its_code_when_packages_that_come_with_it_are_refused(add, project, tenant, by):
    template = make_template(tenant, pipeline_name="churn", snapshot=SNAPSHOT, code=add())
    change(project)
    with pytest.raises(TemplateRefused) as refusal:
        actions.change_code(template=template, code=add(), by=by, requirements="-r /etc/passwd")
    template.refresh_from_db()
    assert (refusal.value.field, template.code.number, template.requirements) == ("requirements", 1, "")
    RunTemplate.objects.update(name="renamed meanwhile")
    actions.change_code(template=template, code=add(), by=by, requirements="lightgbm")
    template.refresh_from_db()
    assert (template.code.number, template.requirements) == (2, "lightgbm")
    assert template.name == "renamed meanwhile"
    assert deeds()[-2:] == ["template.code_changed", "template.updated"]


def test_a_template_keeps_its_code_when_the_new_one_lacks_a_step(add, project, tenant, by, org):
    template = make_template(tenant, pipeline_name="churn", snapshot=SNAPSHOT, code=add())
    (project / "churn" / "steps.py").write_text("x = 1\n")
    with pytest.raises(TemplateRefused, match="which is not in this code") as refusal:
        actions.change_code(template=template, code=add(), by=by)
    others = make_code(make_tenant(org, "staging"), "churn"), make_code(tenant, "another")
    for other in others:
        with pytest.raises(TemplateRefused, match="another pipeline"):
            actions.change_code(template=template, code=other, by=by)
    template.refresh_from_db()
    assert (refusal.value.field, template.code.number) == ("code", 1)
    assert "template.code_changed" not in deeds()


def test_with_its_tenant_everything_goes(add, tenant):
    """Code that is used is not forgotten, but it does not keep a tenant."""
    make_template_run(make_template(tenant, pipeline_name="churn", snapshot=SNAPSHOT, code=add()))
    tenant.delete()
    assert not (CodeVersion.objects.exists() or RunTemplate.objects.exists())


# -- the storage that machines share


@pytest.fixture
def shared(settings, tmp_path):
    place = {"BACKEND": "tests.shared_folder.SharedFolder", "OPTIONS": {"location": str(tmp_path / "shared")}}
    settings.STORAGES = {**settings.STORAGES, ALIAS: place}
    shared_files.forget_silence()
    return storages[ALIAS]


def test_code_is_in_the_storage_before_it_is_a_version(add, shared, tenant):
    version = add()
    assert [*shared.listed("code")] == [f"{version.code_hash}.tar.gz"]
    stored = shared.log.count(("put", f"code/{version.code_hash}.tar.gz"))
    assert add() == version
    assert shared.log.count(("put", f"code/{version.code_hash}.tar.gz")) == stored + 1, "It is as new."


def test_code_that_cannot_be_stored_is_no_version(add, shared, tenant):
    shared.fall_silent()
    with pytest.raises(CodeRefused, match="can't be stored now: the object storage does not answer."):
        add()
    assert (tenant.code_versions.count(), deeds()) == (0, [])
