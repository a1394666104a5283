"""Where packages and code come from: read from the environment of the service, once, and handed over explicitly."""

from pathlib import Path

import environ
import pytest
from django.core.exceptions import ImproperlyConfigured

from tenants.hosting.local.index import PYPI, PackageIndex
from zenpro_site.sources import load_code_roots, load_index


@pytest.fixture
def surroundings(monkeypatch):
    def use(**variables):
        monkeypatch.setattr(environ.FileAwareEnv, "ENVIRON", variables)
        return environ.FileAwareEnv()

    return use


@pytest.fixture
def load(surroundings):
    def read(**variables) -> PackageIndex:
        return load_index(surroundings(**variables))

    return read


def test_nothing_set_is_the_python_package_index(load):
    assert load().urls == (PYPI,)
    assert load().environment == {}


@pytest.mark.parametrize(
    "name", ["ZENPRO_PACKAGE_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"]
)
def test_a_mirror_set_for_the_service_is_used(load, name):
    assert load(**{name: "https://mirror.example.org/simple/"}).urls == (
        "https://mirror.example.org/simple/",
    )


def test_our_own_setting_wins_with_its_extra_indexes(load):
    theirs = {
        "UV_INDEX": "mine=https://c.example.org/simple",
        "PIP_INDEX_URL": "https://d.example.org/simple",
    }
    assert load(**theirs).urls == ("https://d.example.org/simple", "https://c.example.org/simple")
    ours = {"ZENPRO_PACKAGE_INDEX": "https://a.example.org/simple"}
    assert load(**theirs, **ours).urls == ("https://a.example.org/simple",)
    ours["ZENPRO_PACKAGE_EXTRA_INDEXES"] = "https://b.example.org/simple,/srv/wheels"
    assert load(**theirs, **ours).urls[1:] == ("https://b.example.org/simple", "/srv/wheels")


@pytest.mark.parametrize(
    "value", ["mirror.example.org", "ftp://mirror.example.org", "--no-index", "https://"]
)
def test_what_is_no_address_stops_with_the_name_of_its_setting(load, value):
    with pytest.raises(ImproperlyConfigured, match="ZENPRO_PACKAGE_INDEX"):
        load(ZENPRO_PACKAGE_INDEX=value)


def test_arguments_say_everything_and_no_secret():
    index = PackageIndex(("https://ada:s%40cret@a.example.org/simple", "https://b.example.org/simple"))
    assert index.arguments == [
        *("--no-config", "--keyring-provider", "disabled", "--index-strategy", "first-index"),
        *("--default-index", "zenpro0=https://a.example.org/simple"),
        *("--index", "zenpro1=https://b.example.org/simple"),
    ]
    assert index.environment == {
        "UV_INDEX_ZENPRO0_USERNAME": "ada",
        "UV_INDEX_ZENPRO0_PASSWORD": "s@cret",
    }
    assert index.has_secret
    assert not PackageIndex().has_secret


def test_certificates_and_proxies_of_the_service_reach_uv(load):
    theirs = {"SSL_CERT_FILE": "/etc/company.pem", "HTTPS_PROXY": "http://proxy:3128", "SECRET": "no"}
    index = load(**theirs)
    assert index.environment == {"SSL_CERT_FILE": "/etc/company.pem", "HTTPS_PROXY": "http://proxy:3128"}
    assert index.files == ["/etc/company.pem"]
    assert not index.has_secret
    assert load(HTTPS_PROXY="http://ada:secret@proxy:3128").has_secret
    assert load(ZENPRO_PACKAGE_INDEX="file:///srv/simple").files == ["/srv/simple"]


def test_code_comes_from_nowhere_unless_it_is_set(surroundings):
    assert load_code_roots(surroundings()) == []
    assert load_code_roots(surroundings(ZENPRO_CODE_ROOTS="")) == []
    set_to = surroundings(ZENPRO_CODE_ROOTS="/srv/code, /home/ada,")
    assert load_code_roots(set_to) == [Path("/srv/code"), Path("/home/ada")]


@pytest.mark.parametrize("value", ["code", ".", "~/code", "/srv/code,../code"])
def test_code_roots_are_full_paths(surroundings, value):
    with pytest.raises(ImproperlyConfigured, match="ZENPRO_CODE_ROOTS"):
        load_code_roots(surroundings(ZENPRO_CODE_ROOTS=value))
