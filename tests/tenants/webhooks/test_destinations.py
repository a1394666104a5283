"""Where a webhook may go."""

import socket

import pytest

from tenants.webhooks import destinations
from tenants.webhooks.destinations import INNER, NO_ADDRESS, NO_HTTPS, NO_PASSWORD, checked, host_of
from zenpro_site.common.refusals import Refused


@pytest.fixture(autouse=True)
def inner_host(settings, monkeypatch):
    settings.ZENPRO_WEBHOOK_HOSTS = ["hooks.lan", "10.1.2.3"]
    monkeypatch.setattr(destinations, "is_own", lambda address: address == "93.184.216.34")


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("https://hooks.example.org/runs?key=1", "hooks.example.org"),
        ("https://HOOKS.example.org:8443", "hooks.example.org:8443"),
        ("https://1.1.1.1/x", "1.1.1.1"),
        ("https://[2606:4700::1111]/x", "[2606:4700::1111]"),
        ("http://hooks.lan:5678/x", "hooks.lan:5678"),
        ("https://10.1.2.3/x", "10.1.2.3"),
    ],
)
def test_addresses_that_are_taken(text, host):
    assert host_of(checked(text)) == host


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("hooks.example.org", NO_ADDRESS),
        ("ftp://hooks.example.org/", NO_ADDRESS),
        ("https://", NO_ADDRESS),
        ("https://hooks.example.org:99999/", NO_ADDRESS),
        ("https://hooks.example.org/#part", NO_ADDRESS),
        ("https://hooks.example.org/a b", NO_ADDRESS),
        ("https://hooks.example.org\\@127.0.0.1/", NO_ADDRESS),
        ("https://hooks.example.org/" + "a" * 500, NO_ADDRESS),
        ("https://bücher.example.org/", NO_ADDRESS),
        ("https://[::1/", NO_ADDRESS),
        ("http://hooks.example.org/", NO_HTTPS),
        ("https://ada:secret@hooks.example.org/", NO_PASSWORD),
        ("https://127.0.0.1/", INNER),
        ("https://10.0.0.1/", INNER),
        ("https://[::1]/", INNER),
        ("https://93.184.216.34/", INNER),
    ],
)
def test_addresses_that_are_refused(text, sentence):
    with pytest.raises(Refused) as refused:
        checked(text)
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff0e::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::7f00:1",
        "fec0::2",
        "::7f00:1",
        "::ffff:0:7f00:1",
        "2002:7f00:1::",
    ],
)
def test_addresses_of_machines_and_networks_are_inner(address):
    assert destinations.is_inner(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "64:ff9b::1.1.1.1"])
def test_addresses_of_the_internet_are_not(address):
    assert not destinations.is_inner(address)


def test_only_named_hosts_lead_inside():
    assert destinations.may_reach("hooks.lan", "127.0.0.1")
    assert not destinations.may_reach("hooks.example.org", "127.0.0.1")
    assert destinations.may_reach("hooks.example.org", "1.1.1.1")
    assert not destinations.may_reach("hooks.example.org", "93.184.216.34")


class FarAway(socket.socket):
    """A socket whose way to anywhere begins at this address."""

    def connect(self, address):
        pass

    def getsockname(self):
        return ("192.0.2.7", 0)


def test_an_address_of_this_machine_is_its_own(monkeypatch):
    monkeypatch.undo()
    assert destinations.is_own("127.0.0.1")
    monkeypatch.setattr(destinations.socket, "socket", FarAway)
    assert destinations.is_own("192.0.2.7")
    assert not destinations.is_own("192.0.2.1")
