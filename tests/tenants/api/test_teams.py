import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from factories import make_member, make_team

from orgs.audit.models import AuditEvent


class TestOrganizations:
    def test_rename(self, call_as, org, owner):
        answer = call_as(owner).patch(f"/organizations/{org.pk}", name=" Acme  Inc ")
        assert answer.status_code == 200 and answer.json()["name"] == "Acme Inc"
        row = AuditEvent.objects.get()
        assert (row.via, row.before["name"], row.after["name"]) == ("api", "Acme AI", "Acme Inc")

    def test_a_taken_slug(self, call_as, org, superuser):
        answer = call_as(superuser).post("/organizations", name="Acme", slug=org.slug)
        assert answer.status_code == 409 and "is taken" in answer.json()["detail"]

    def test_a_slug_that_is_none(self, call_as, superuser):
        answer = call_as(superuser).post("/organizations", name="Acme", slug="A b")
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", "slug"]


class TestTeams:
    def test_life_of_a_team(self, call_as, org, owner, member):
        call = call_as(owner)
        made = call.post("teams", name="risk-ml", description="Risk", role="viewer")
        assert made.status_code == 201
        team = made.json()
        assert (team["name"], team["role"], team["members"]) == ("risk-ml", "viewer", 0)
        path = f"teams/{team['id']}"
        assert call.patch(path, name="risk").json()["description"] == "Risk"
        added = call.post(f"{path}/members", member=str(member.membership.pk))
        assert (added.status_code, added.json()["email"]) == (201, member.email)
        assert call.get(f"{path}/members").json()["total"] == 1
        assert call.delete(f"{path}/members/{member.membership.pk}").status_code == 204
        assert call.delete(path).status_code == 204
        assert call.get(path).status_code == 404
        actions = ["created", "updated", "member_added", "member_removed", "deleted"]
        rows = AuditEvent.objects.order_by("pk")
        assert [(row.action, row.via) for row in rows] == [(f"team.{action}", "api") for action in actions]

    @pytest.mark.parametrize(
        ("body", "where"),
        [
            ({}, ["body", "name"]),
            ({"name": ""}, ["body", "name"]),
            ({"name": "x" * 61}, ["body", "name"]),
            ({"name": 7}, ["body", "name"]),
            ({"name": "x", "role": "nothing"}, ["body", "role"]),
            ({"name": "x", "label": "y"}, ["body", "label"]),
        ],
    )
    def test_what_cannot_be(self, call_as, org, owner, body, where):
        answer = call_as(owner).post("teams", **body)
        assert answer.status_code == 422
        assert [one["loc"] for one in answer.json()["detail"]] == [where]
        assert not org.teams.exists()

    @pytest.mark.parametrize("name", ["a\0b", "\ud800"])
    def test_what_no_database_takes(self, call_as, org, owner, name):
        answer = call_as(owner).post("teams", name=name)
        assert answer.status_code == 400
        assert "cannot be stored" in answer.json()["detail"]
        assert not org.teams.exists()

    def test_no_json_at_all(self, call_as, org, owner):
        call = call_as(owner)
        headers = {"Authorization": f"Bearer {call.key.secret}"}
        path = f"/api/v1/organizations/{org.slug}/teams"
        answer = call.client.post(path, "{", content_type="application/json", headers=headers)
        assert answer.status_code == 400 and isinstance(answer.json()["detail"], str)

    def test_a_taken_name(self, call_as, org, owner):
        make_team(org, "risk")
        assert call_as(owner).post("teams", name="risk").status_code == 409
        assert org.teams.count() == 1

    def test_who_gives_no_roles_gives_none_to_teams(self, call_as, org, editor):
        assert call_as(editor).post("teams", name="risk", role="member").status_code == 403
        assert call_as(editor).post("teams", name="risk").json()["role"] is None

    def test_members_see_their_own(self, call_as, org, member):
        make_team(org, "other")
        mine = make_team(org, "mine", members=[member])
        call = call_as(member)
        assert [one["name"] for one in call.get("teams").json()["items"]] == ["mine"]
        assert call.get(f"teams/{mine.uuid}").status_code == 200
        assert call.get(f"teams/{org.teams.get(label='other').uuid}").status_code == 404

    def test_a_maintainer_manages_members(self, call_as, org, member):
        team, other = make_team(org, "risk", members=[member]), make_member(org)
        call, path = call_as(member), f"teams/{team.uuid}/members"
        assert call.post(path, member=str(other.membership.pk)).status_code == 403
        team.maintainers.add(member.membership)
        assert call.post(path, member=str(other.membership.pk)).status_code == 201
        assert call.delete(f"{path}/{other.membership.pk}").status_code == 204
        assert call.patch(f"teams/{team.uuid}", name="x").status_code == 403

    def test_pages(self, call_as, org, owner):
        for name in "abcd":
            make_team(org, name)
        call = call_as(owner)
        page = call.get("teams", limit=2, offset=1).json()
        assert (page["total"], [one["name"] for one in page["items"]]) == (4, ["b", "c"])
        answer = call.get("teams", limit=1000)
        assert answer.status_code == 422 and answer.json()["detail"][0]["loc"] == ["query", "limit"]

    def test_as_many_queries_for_any_number(self, call_as, org, owner):
        call, counts = call_as(owner), []
        call.get("teams")
        for _ in range(2):
            make_team(org, members=[make_member(org), make_member(org)])
            with CaptureQueriesContext(
                connection,
            ) as found:
                call.get("teams")
            counts.append(len(found))
        assert counts[0] == counts[1]
