"""Code from git over ssh: one commit of a real server, with one key, from a host whose key is known."""

import socket
import threading
from contextlib import contextmanager, suppress

import pytest

from tenants.run_templates.engine.code import CodeError, code_folder
from tenants.run_templates.engine.deploy_keys import fingerprint_of, new_pair
from tenants.run_templates.engine.git import Opener, check_address, freeze_commit, host_key_of
from tests.git_server import Repository
from tests.ssh_server import ssh_server

FILES = {"run.py": b"print(1)\n", "src/app/steps.py": b"x = 1\n"}
PRIVATE, PUBLIC = new_pair("zenpro-test")
pytestmark = pytest.mark.enable_socket


@pytest.fixture(autouse=True)
def data(settings, tmp_path):
    settings.ZENPRO_DATA = tmp_path / "data"
    settings.ZENPRO_DATA.mkdir()


@pytest.fixture
def repository():
    made = Repository()
    made.commit(FILES)
    return made


@pytest.fixture
def server(repository):
    with ssh_server({"/team/project.git": repository, "team/short": repository}, PUBLIC) as one:
        yield one


def url(server) -> str:
    return f"ssh://git@127.0.0.1:{server.port}/team/project.git"


def opener(server, private=PRIVATE) -> Opener:
    return Opener(private_key=private, host_key=server.host_key)


def content_of(code_hash) -> dict[str, bytes]:
    folder = code_folder(code_hash)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusal_of(*arguments) -> str:
    with pytest.raises(CodeError) as caught:
        freeze_commit(*arguments)
    home = code_folder("x").parent
    assert not home.exists() or [*home.iterdir()] == []
    return caught.value.reason


@contextmanager
def speaking(words: bytes):
    """Port of a server that says this to whoever connects, and hangs up."""

    def answer():
        with suppress(OSError):  # closed from here
            while True:
                line, _ = listener.accept()
                with line:
                    line.sendall(words)
                    line.shutdown(socket.SHUT_WR)
                    line.settimeout(30)
                    while line.recv(4096):  # closed with words unread, the words said could be lost
                        pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def test_a_branch_and_an_earlier_commit(repository, server):
    first = repository.commit({"run.py": b"1"})
    second = repository.commit({"run.py": b"2"})
    for revision, content, commit in (("", b"2", second), ("main", b"2", second), (first, b"1", first)):
        code, found = freeze_commit(url(server), revision, opener(server))
        assert (content_of(code), found) == ({"run.py": content}, commit)
    assert set(server.commands) == {"git-upload-pack '/team/project.git'"}


def test_a_path_below_the_home_of_the_user_there(server):
    """The short form has no port: it is what a box is told of it that counts."""
    told = check_address("git@127.0.0.1:team/short").url
    assert told == "ssh://git@127.0.0.1/./team/short"
    code, _ = freeze_commit(f"ssh://git@127.0.0.1:{server.port}/./team/short", "", opener(server))
    assert content_of(code) == FILES


def test_a_key_that_the_host_does_not_know(server):
    other, _ = new_pair("another")
    assert "does not accept the deploy key" in refusal_of(url(server), "", opener(server, other))
    assert server.commands == []


def test_a_host_that_shows_another_key(server):
    known = opener(server)
    server.change_key()
    assert "shows another key than the one that was confirmed" in refusal_of(url(server), "", known)
    assert server.commands == []


def test_a_repository_that_is_not_there(server):
    reason = refusal_of(f"ssh://git@127.0.0.1:{server.port}/other", "", opener(server))
    assert reason.endswith("does not hand out this repository. It says: “no such repository”")


def test_no_key_is_no_try(server):
    assert "needs a deploy key" in refusal_of(url(server), "", Opener("a token"))
    assert server.commands == []


def test_the_key_of_a_host_is_what_it_shows_to_whoever_asks(server):
    shown = host_key_of(check_address(url(server)))
    assert shown == server.host_key
    assert fingerprint_of(shown) == server.key.get_fingerprint()


def test_hosts_that_are_not_there_or_speak_something_else(server):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        gone = f"ssh://git@127.0.0.1:{nobody.getsockname()[1]}/x"
    with pytest.raises(CodeError, match="can't be reached"):
        host_key_of(check_address(gone))
    assert "can't be reached" in refusal_of(gone, "", opener(server))
    with speaking(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert "no ssh server" in refusal_of(f"ssh://git@127.0.0.1:{port}/x", "", opener(server))
        with pytest.raises(CodeError, match="no ssh server"):
            host_key_of(check_address(f"ssh://git@127.0.0.1:{port}/x"))


def test_nothing_of_the_account_takes_part(server, tmp_path, monkeypatch):
    """Neither its settings, nor its agent, nor the hosts and keys that it knows."""
    home, mark = tmp_path / "home", tmp_path / "mark"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "config").write_text(f"Host *\n  ProxyCommand touch {mark}\n  ForwardAgent yes\n")
    (home / ".ssh" / "known_hosts").write_text(f"127.0.0.1 {PUBLIC}\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_SSH_COMMAND", f"touch {mark}")
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(tmp_path / "agent"))
        agent.listen()
        agent.setblocking(False)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        assert content_of(freeze_commit(url(server), "", opener(server))[0]) == FILES
        with pytest.raises(BlockingIOError):
            agent.accept()
    assert not mark.exists()


def test_ways_of_writing_one_address():
    places = {
        "ssh://git@github.com/acme/churn": ["git@GitHub.com:acme/churn.git", "ssh://git@github.com:22/acme/churn/"],
        "ssh://git@example.org:2222/x": ["ssh://git@example.org:2222/x.git"],
        "https://github.com/acme/churn": ["https://github.com:443/acme/churn.git", "https://GitHub.com/acme/churn/"],
    }  # fmt: skip
    for place, written in places.items():
        assert {check_address(one).place for one in [place, *written]} == {place}


def test_an_opener_does_not_show_what_it_holds():
    assert "secret" not in repr(Opener("secret", "secret"))
