import pytest
from factories import make_user

from orgs.users.first_sign_in import make_path


def test_livez_needs_no_database(client):
    assert client.get("/livez").content == b"ok"


def test_readyz_says_that_no_migration_waits(client, db):
    assert client.get("/readyz").json() == {"ready": True, "migrations_waiting": 0}


def test_home_asks_strangers_to_sign_in(client, db):
    assert client.get("/").url == "/accounts/login/?next=/"


def test_home_is_the_first_organization(as_user, member, org):
    assert as_user(member).get("/").url == org.get_absolute_url()


def test_home_of_a_person_without_organization_says_so(as_user, db):
    assert as_user(make_user()).get("/").url == "/welcome/"


@pytest.mark.parametrize("back", ["https://evil.example.org/", "//evil.example.org", "javascript:alert(1)"])
def test_theme_never_leads_to_another_site(client, back):
    assert client.post("/theme/", {"theme": "dark", "next": back}).url == "/"


def test_theme_is_remembered_and_forgotten(client):
    assert client.post("/theme/", {"theme": "dark", "next": "/settings/"}).url == "/settings/"
    assert client.cookies["theme"].value == "dark"
    client.post("/theme/", {"theme": "system"})
    assert client.cookies["theme"].value == ""


def test_every_page_has_a_strict_policy_and_varies_on_htmx(client, db):
    response = client.get("/accounts/login/")
    policy = response.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "HX-Target" in response.headers["Vary"]


def test_an_expired_session_moves_the_browser_instead_of_filling_a_fragment(client, org):
    response = client.get(f"/o/{org.slug}/members/", headers={"HX-Request": "true", "HX-Target": "people"})
    assert response.headers["HX-Redirect"].startswith("/accounts/login/")


class TestFirstSignIn:
    def test_a_wrong_link_is_refused(self, client, superuser):
        path = make_path(superuser)
        assert client.get(path[:-3] + "xx/").status_code == 404
        assert client.get("/first-sign-in/bm9ib2R5/abc-def/").status_code == 404

    def test_looking_does_not_use_it_up(self, client, superuser):
        path = make_path(superuser)
        assert client.get(path).status_code == 200
        assert client.get(path).status_code == 200
        assert "_auth_user_id" not in client.session

    def test_it_works_once(self, client, superuser):
        path = make_path(superuser)
        assert client.post(path).url == "/"
        assert client.session["_auth_user_id"] == str(superuser.pk)
        client.logout()
        assert client.post(path).status_code == 404
        assert "_auth_user_id" not in client.session

    def test_a_deactivated_person_cannot_use_it(self, client, superuser):
        path = make_path(superuser)
        type(superuser).objects.filter(pk=superuser.pk).update(is_active=False)
        assert client.post(path).status_code == 404
