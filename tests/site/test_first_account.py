"""The link with which the first person signs in where no `zenpro up` printed one."""

import io

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from factories import make_user


def link(*args) -> str:
    said = io.StringIO()
    call_command("sign_in_link", *args, stdout=said)
    return said.getvalue().strip()


def test_the_first_account_is_made_and_signs_in(db, client, settings):
    settings.ZENPRO_ADMIN_EMAIL, settings.ZENPRO_URL = "ada@example.org", "http://x"
    path = link().removeprefix("http://x")
    (ada,) = get_user_model().objects.all()
    assert (ada.email, ada.is_superuser, ada.has_usable_password()) == ("ada@example.org", True, False)
    assert client.post(path).url == "/"
    assert client.session["_auth_user_id"] == str(ada.pk)


def test_it_is_made_once(db):
    link()
    link()
    assert get_user_model().objects.count() == 1


def test_once_somebody_has_signed_in_an_address_is_needed(db):
    link()
    bo = make_user(last_login=timezone.now())
    with pytest.raises(CommandError, match="Someone has signed in already. Name the address"):
        link()
    assert "/first-sign-in/" in link(bo.email)
