import environ
import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from zenpro_site.common import sealing
from zenpro_site.key_file import load_keys, make_keys

NEW, OLD = (Fernet.generate_key().decode() for _ in range(2))


class Empty(environ.Env):
    ENVIRON = {}


def test_without_keys_nothing_starts_and_the_message_says_what_to_do(tmp_path):
    with pytest.raises(ImproperlyConfigured, match="zenpro up"):
        load_keys(Empty(), tmp_path / "keys.json")


def test_keys_are_made_once_and_only_for_their_owner(tmp_path):
    file = tmp_path / "deep" / "keys.json"
    make_keys(file)
    first = load_keys(Empty(), file)
    make_keys(file)
    assert load_keys(Empty(), file) == first
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_environment_wins(tmp_path):
    class Full(environ.Env):
        ENVIRON = {"ZENPRO_SECRET_KEY": "k", "ZENPRO_SECRET_KEYS": f"{NEW},{OLD}"}

    assert load_keys(Full(), tmp_path / "keys.json") == ("k", [NEW, OLD])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"ZENPRO_SECRET_KEY": "k"}, "both"),
        ({"ZENPRO_SECRET_KEYS": NEW}, "both"),
        ({"ZENPRO_SECRET_KEY": "k", "ZENPRO_SECRET_KEYS": f"{NEW},rubbish"}, "Key 2 of ZENPRO_SECRET_KEYS"),
    ],
)
def test_half_of_the_keys_is_refused(tmp_path, values, said):
    class Half(environ.Env):
        ENVIRON = values

    make_keys(tmp_path / "keys.json")
    with pytest.raises(ImproperlyConfigured, match=said) as refused:
        load_keys(Half(), tmp_path / "keys.json")
    assert "rubbish" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"secret_key": "k"}', '{"secret_key": "k", "secret_keys": ["x"]}']
)
def test_a_broken_file_of_keys_is_told(tmp_path, text):
    file = tmp_path / "keys.json"
    file.write_text(text)
    with pytest.raises(ImproperlyConfigured, match="keys.json"):
        load_keys(Empty(), file)


def test_sealed_with_an_old_key_opens_with_old_and_new(settings):
    old, new = settings.ZENPRO_SECRET_KEYS[0], "bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmU="
    sealed = sealing.seal({"a": "b"})
    settings.ZENPRO_SECRET_KEYS = [new, old]
    assert sealing.unseal(sealed) == {"a": "b"}
    settings.ZENPRO_SECRET_KEYS = [new]
    with pytest.raises(sealing.SecretsUnreadable):
        sealing.unseal(sealed)
