"""Pages of custom roles: refusals first."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from factories import make_grant, make_member, make_org, make_role, make_team, make_tenant, tenant_role

from orgs.audit.models import AuditEvent
from orgs.roles import actions
from orgs.roles.exchange import as_json, read
from orgs.roles.models import Role
from orgs.roles.predefined_permissions import RESOURCES, TENANT_ROLES
from orgs.users.models import Actor


def at(name, org, role=None):
    return reverse(f"roles:{name}", args=[org.slug, *([role.pk] if role else [])])


def fresh(role) -> Role:
    return Role.objects.get(pk=role.pk)


def boxes(page: str) -> list[str]:
    """The tags of all boxes for one right."""
    return [
        tag for tag in page.replace("\n", " ").split("<input ")[1:] if 'name="right"' in tag.split(">")[0]
    ]


def box(page: str, right: str) -> str:
    return next(tag.split(">")[0] for tag in boxes(page) if f'value="{right}"' in tag.split(">")[0])


@pytest.fixture
def save(owner, as_user, reviewer):
    """save(right, ..., field=value): posts a grid; without `version` the stored one."""

    def post(*rights, where="rights", **data):
        data = {"version": fresh(reviewer).version, "right": rights, **data}
        return as_user(owner).post(at(where, reviewer.organization, reviewer), data)

    return post


# Refusals


@pytest.mark.parametrize("name", ["create", "import"])
def test_only_who_manages_roles_makes_them(org, editor, as_user, name):
    client = as_user(editor)
    assert client.get(at(name, org)).status_code == 403
    assert client.post(at(name, org), {"name": "New"}).status_code == 403
    assert org.roles.filter(predefined=False).count() == 0


@pytest.mark.parametrize("name", ["rights", "preview", "edit", "delete"])
def test_only_who_manages_roles_changes_them(org, editor, as_user, reviewer, name):
    before = reviewer.rights
    answer = as_user(editor).post(
        at(name, org, reviewer), {"name": "X", "version": reviewer.version, "right": ["model:delete"]}
    )
    assert answer.status_code == 403
    role = fresh(reviewer)
    assert (role.name, role.rights) == ("Model reviewer", before)


@pytest.mark.parametrize("name", ["detail", "export"])
def test_a_member_does_not_read_roles(org, member, as_user, reviewer, name):
    assert as_user(member).get(at(name, org, reviewer)).status_code == 403


@pytest.mark.parametrize("name", ["edit", "delete"])
def test_predefined_roles_have_no_such_page(org, owner, as_user, name):
    role = tenant_role(org, "viewer")
    client = as_user(owner)
    assert client.get(at(name, org, role)).status_code == 404
    assert client.post(at(name, org, role), {"name": "X"}).status_code == 404


def test_predefined_rights_are_not_saved(org, owner, as_user):
    role = tenant_role(org, "viewer")
    answer = as_user(owner).post(
        at("rights", org, role), {"version": role.version, "right": ["model:update"]}
    )
    assert answer.status_code == 422
    assert "predefined" in answer.content.decode()
    assert fresh(role).rights == TENANT_ROLES["viewer"][2]


def test_a_right_that_does_not_exist_is_refused(save, reviewer):
    before = reviewer.rights
    answer = save("model:fly", "model:delete")
    assert answer.status_code == 422
    assert "There is no such right: model:fly" in answer.content.decode()
    assert fresh(reviewer).rights == before


def test_an_old_version_is_a_conflict_that_loses_nothing(org, owner, save, reviewer):
    seen, bruno = reviewer.version, make_member(org, "admin", name="Bruno Keller")
    actions.change_rights(
        role=reviewer, rights=reviewer.rights | {"model:share"}, version=seen, by=Actor(bruno)
    )
    answer = save("model:update", "model:delete", version=seen)
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Bruno Keller changed this role" in page
    assert "checked" in box(page, "model:delete")
    assert "will be removed" in box(page, "model:share")
    assert "model:delete" not in fresh(reviewer).rights
    assert f'name="version" value="{fresh(reviewer).version}"' in page


@pytest.mark.parametrize("name", ["Viewer", "viewer", "Model Reviewer"])
def test_a_taken_name_is_an_error_at_the_field(org, owner, as_user, reviewer, name):
    start = f"base:{tenant_role(org, 'viewer').pk}"
    answer = as_user(owner).post(at("create", org), {"name": name, "start": start})
    assert answer.status_code == 422
    assert answer.context["form"].errors == {"name": ["There is already a role with this name."]}


def test_names_of_the_other_level_are_free(org, owner, as_user):
    start = f"base:{tenant_role(org, 'viewer').pk}"
    assert as_user(owner).post(at("create", org), {"name": "Member", "start": start}).status_code == 302
    assert sorted(org.roles.filter(name="Member").values_list("level", flat=True)) == [
        "organization",
        "tenant",
    ]


def test_a_role_of_another_organization_is_not_copied(org, owner, as_user):
    start = f"copy:{tenant_role(make_org(), 'admin').pk}"
    answer = as_user(owner).post(at("create", org), {"name": "New", "start": start})
    assert list(answer.context["form"].errors) == ["start"]


def test_a_role_in_use_asks_for_a_replacement(org, owner, as_user, reviewer):
    make_grant(make_tenant(org), owner, reviewer.slug)
    answer = as_user(owner).post(at("delete", org, reviewer))
    assert answer.status_code == 200
    assert list(answer.context["form"].errors) == ["replacement"]
    assert Role.objects.filter(pk=reviewer.pk).exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Choose a file"),
        ("{", "not JSON"),
        ("[" * 50_000, "not JSON"),
        ("[]", "not an exported role"),
        ('{"zenpro_role": 2}', "not an exported role"),
        ('{"zenpro_role": 1, "level": "moon"}', "level"),
        ('{"zenpro_role": 1, "level": "tenant", "name": 5, "rights": []}', "name"),
        ('{"zenpro_role": 1, "level": "tenant", "name": "A", "rights": [5]}', "rights"),
        ('{"zenpro_role": 1, "level": "tenant", "name": "A", "rights": ["model:fly"]}', "model:fly"),
        ("x" * 100_001, "too long"),
    ],
)
def test_a_bad_document_is_refused(org, owner, as_user, text, words):
    answer = as_user(owner).post(at("import", org), {"text": text})
    assert answer.status_code == 422
    assert words in str(answer.context["form"].errors["text"])
    assert org.roles.filter(predefined=False).count() == 0


@pytest.mark.parametrize("change", [{"name": "Viewer"}, {"base": "moon"}])
def test_a_document_that_does_not_fit_here_is_refused(org, owner, as_user, reviewer, change):
    document = {**json.loads(as_json(reviewer)), "name": "Free", **change}
    assert as_user(owner).post(at("import", org), {"text": json.dumps(document)}).status_code == 422
    assert org.roles.filter(predefined=False).count() == 1


# Making


@pytest.mark.parametrize("how", ["base", "copy"])
def test_create(org, owner, as_user, how):
    viewer = tenant_role(org, "viewer")
    answer = as_user(owner).post(at("create", org), {"name": "Auditor", "start": f"{how}:{viewer.pk}"})
    role = org.roles.get(slug="auditor")
    assert answer.url == role.get_absolute_url()
    assert role.rights == viewer.rights
    assert role.base == (viewer if how == "base" else None)


def test_a_copy_is_built_on_what_its_model_is_built_on(org, owner, as_user, reviewer):
    as_user(owner).post(at("create", org), {"name": "Second", "start": f"copy:{reviewer.pk}"})
    role = org.roles.get(slug="second")
    assert (role.rights, role.base) == (reviewer.rights, reviewer.base)


def test_the_weakest_role_is_proposed(org, owner, as_user):
    page = as_user(owner).get(at("create", org)).content.decode()
    assert f'<option value="base:{tenant_role(org, "viewer").pk}" selected>Build on Viewer</option>' in page


def test_create_organization_role(org, owner, as_user):
    start = f"copy:{org.roles.organization_level().get(slug='editor').pk}"
    page = as_user(owner).get(f"{at('create', org)}?level=organization&start={start}").content.decode()
    assert f'<option value="{start}" selected>' in page
    as_user(owner).post(at("create", org) + "?level=organization", {"name": "Lead", "start": start})
    assert "team:manage" in org.roles.organization_level().get(slug="lead").rights


def test_a_person_with_the_new_role_can_do_what_it_says(org, owner, as_user, recruiter):
    person = make_member(org, recruiter.slug)
    assert as_user(person).get(reverse("invitations:list", args=[org.slug])).status_code == 200
    assert as_user(person).get(at("list", org)).status_code == 403


@pytest.mark.parametrize("where", ["name", "rights", "more"])
def test_a_role_with_characters_that_no_database_takes(org, owner, as_user, where):
    document = {"zenpro_role": 1, "level": "tenant", "name": "A", "rights": []} | {where: ["\ud800", "\0"]}
    answer = as_user(owner).post(at("import", org), {"text": json.dumps(document)})
    assert answer.status_code == 422
    assert "cannot be stored" in answer.content.decode()
    assert not org.roles.filter(name="A").exists()


def test_what_is_exported_can_be_imported_elsewhere(org, owner, as_user, reviewer):
    client = as_user(owner)
    answer = client.get(at("export", org, reviewer))
    assert answer.headers["Content-Disposition"] == 'attachment; filename="role-model-reviewer.json"'
    assert read(answer.content.decode())["base"] == "viewer"
    other = make_org()
    make_member(other, "admin", user=owner)
    file = SimpleUploadedFile("role.json", answer.content)
    client.post(at("import", other), {"file": file, "name": "Approver"})
    role = other.roles.get(slug="approver")
    assert (role.rights, role.base.slug, role.base.organization) == (reviewer.rights, "viewer", other)


# The grid


def test_save(save, reviewer):
    answer = save("model:update", "model:delete")
    assert answer.url == reviewer.get_absolute_url()
    assert fresh(reviewer).rights - reviewer.inherited == {"model:update", "model:delete"}


def test_saving_says_what_was_added_besides(org, owner, as_user, save):
    role = make_role(org, "Writer")
    as_user(owner).post(at("rights", org, role), {"version": role.version, "right": ["model:update"]})
    page = as_user(owner).get(at("detail", org, role)).content.decode()
    assert "Writer saved: +2 −0. Also added because other rights need it: Read models." in page
    assert fresh(role).rights == {"tenant:view", "model:update", "model:read"}


@pytest.mark.parametrize(
    ("posted", "expected"),
    [
        ({"all": ["models/update"]}, {"model:update", "model_version:update"}),
        ({"all": ["all/share", "models/share"], "was": ["models/share"]}, "share"),
        ({"right": ["model:update", "model_version:update"], "was": ["models/update"]}, set()),
        ({"right": ["model:update"], "all": ["models/update"], "was": ["models/update"]}, {"model:update"}),
        ({"all": ["moon/update"]}, set()),
    ],
)
def test_boxes_of_groups_and_columns_stand_for_all_below(save, reviewer, posted, expected):
    save(**{"right": [], **posted})
    gained = fresh(reviewer).rights - reviewer.inherited
    if expected == "share":
        assert {right.split(":")[1] for right in gained} == {"share"}
        assert len(gained) == len(RESOURCES)
    else:
        assert gained == expected


def test_preview_shows_changes_and_writes_nothing(save, reviewer):
    page = save("model:share", where="preview").content.decode()
    assert "2 changes:" in page
    assert "Update models, will be removed" in box(page, "model:update")
    assert "Share models, will be added" in box(page, "model:share")
    assert fresh(reviewer).rights == reviewer.rights
    assert AuditEvent.objects.count() == 0


def test_preview_answers_htmx_with_the_editor(org, owner, as_user, reviewer):
    answer = as_user(owner).post(
        at("preview", org, reviewer),
        {"right": ["model:share"]},
        headers={"HX-Request": "true", "HX-Target": "editor"},
    )
    page = answer.content.decode()
    assert 'id="editor"' in page
    assert "<html" not in page


def test_discard_goes_back(save, reviewer):
    answer = save("model:share", where="preview", discard="1")
    assert answer.url == reviewer.get_absolute_url()


def test_groups_fold_and_keep_their_ticks(save):
    page = save("model:share", where="preview", fold="models").content.decode()
    assert 'id="fold-models"' in page
    assert 'aria-expanded="false"' in page
    assert '<input type="hidden" name="folded" value="models">' in page
    assert "checked" in box(page, "model:share")
    page = save("model:share", where="preview", fold="models", folded=["models"]).content.decode()
    assert 'aria-expanded="false"' not in page


def test_inherited_rights_are_ticked_and_locked(org, owner, as_user, reviewer):
    page = as_user(owner).get(at("detail", org, reviewer)).content.decode()
    tag = box(page, "model:read")
    assert "checked" in tag
    assert "disabled" in tag
    assert "Read models, from Viewer" in tag
    assert "disabled" not in box(page, "model:update")


def test_who_may_only_look_finds_everything_locked(org, viewer, as_user, reviewer):
    page = as_user(viewer).get(at("detail", org, reviewer)).content.decode()
    assert len(boxes(page)) > 100
    assert all("disabled" in tag.split(">")[0] for tag in boxes(page))
    assert "Save" not in page


def test_mixed_groups_are_marked(org, owner, as_user, reviewer):
    page = as_user(owner).get(at("detail", org, reviewer)).content.decode()
    head = page[page.index('value="models/update"') :].split(">")[0]
    assert "data-mixed" in head
    assert "checked" not in head


@pytest.mark.parametrize(("query", "name"), [("", "Viewer"), ("?against=admin", "Admin")])
def test_difference(org, owner, as_user, reviewer, query, name):
    context = as_user(owner).get(at("detail", org, reviewer) + query).context
    assert context["compared"].name == name
    if not query:
        assert [(one.words, one.more, one.unsaved) for one in context["differences"]] == [
            ("Update models", True, False)
        ]


def test_a_copy_is_compared_with_what_it_is_most_like(org, owner, as_user):
    role = make_role(org, "Almost", rights=TENANT_ROLES["developer"][2] - {"secret:read_secret_value"})
    context = as_user(owner).get(at("detail", org, role)).context
    assert context["compared"].slug == "developer"
    assert [(one.words, one.more) for one in context["differences"]] == [("Read values of secrets", False)]


# Who has it


def test_used_by_people_and_teams_with_links(org, owner, as_user, reviewer):
    tenant, person = make_tenant(org), make_member(org, name="Gina Lopez")
    team = make_team(org, "vision", members=[person, owner])
    for holder in (person, team):
        make_grant(tenant, holder, reviewer.slug)
    make_grant(make_tenant(org), person, reviewer.slug)
    answer = as_user(owner).get(at("detail", org, reviewer))
    used, page = answer.context["used"], answer.content.decode()
    assert (used.people_count, used.teams_count, used.everybody, used.tenants) == (1, 1, 2, 2)
    assert "1 person, 1 team" in page
    assert team.get_absolute_url() in page
    assert person.membership.get_absolute_url() in page


def test_names_of_people_are_for_those_who_see_members(org, as_user, reviewer):
    make_role(org, "Reader", level="organization", rights={"role:view"})
    make_grant(make_tenant(org), make_member(org, name="Gina Lopez"), reviewer.slug)
    page = as_user(make_member(org, "reader")).get(at("detail", org, reviewer)).content.decode()
    assert "1 person" in page
    assert "Gina" not in page


def test_asks_as_often_for_more_holders(org, owner, as_user, reviewer):
    client, counts = as_user(owner), []
    client.get(at("detail", org, reviewer))
    for more in (1, 3):
        for _ in range(more):
            make_grant(make_tenant(org), make_member(org), reviewer.slug)
        with CaptureQueriesContext(connection) as asked:
            client.get(at("detail", org, reviewer))
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_delete_with_replacement(org, owner, as_user, reviewer):
    tenant = make_tenant(org)
    make_grant(tenant, owner, reviewer.slug)
    replacement = tenant_role(org, "editor")
    answer = as_user(owner).post(at("delete", org, reviewer), {"replacement": replacement.pk})
    assert answer.url == at("list", org)
    assert tenant.grants.get().role == replacement


def test_edit(org, owner, as_user, reviewer):
    client = as_user(owner)
    assert client.post(at("edit", org, reviewer), {"name": "Viewer"}).status_code == 422
    client.post(at("edit", org, reviewer), {"name": "Approver", "description": "Approves."})
    assert (fresh(reviewer).name, fresh(reviewer).description) == ("Approver", "Approves.")
