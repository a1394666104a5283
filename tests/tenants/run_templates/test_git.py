"""Code from git: one commit of a real server over HTTPS, and the addresses and repositories that are refused."""

import pytest

from tenants.run_templates.engine import boxed_programs
from tenants.run_templates.engine.code import CodeError, code_folder
from tenants.run_templates.engine.git import Opener, check_address, freeze_commit
from tests.certificates import company_in
from tests.git_server import Repository, git_server, leading_to, noting, serving

FILES = {"run.py": b"print(1)\n", "src/app/__init__.py": b"", "src/app/steps.py": b"x = 1\n"}
pytestmark = pytest.mark.enable_socket


@pytest.fixture(autouse=True)
def data(settings, tmp_path):
    settings.ZENPRO_DATA = tmp_path / "data"
    settings.ZENPRO_DATA.mkdir()


@pytest.fixture
def repository():
    return Repository()


@pytest.fixture
def company(tmp_path, monkeypatch):
    tls, ours = company_in(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(ours))
    return tls


@pytest.fixture
def url(repository, company):
    with git_server({"/team/project.git": repository}, company) as address:
        yield f"{address}/team/project.git"


def content_of(code_hash) -> dict[str, bytes]:
    folder = code_folder(code_hash)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusal_of(*arguments) -> str:
    with pytest.raises(CodeError) as caught:
        freeze_commit(*arguments)
    home = code_folder("x").parent
    assert not home.exists() or [*home.iterdir()] == []
    return caught.value.reason


def test_a_branch_a_tag_a_commit_and_the_main_branch(repository, url):
    first = repository.commit({"run.py": b"1"})
    repository.tag("v1", first)
    second = repository.commit({"run.py": b"2"})
    third = repository.commit({"run.py": b"3"}, branch="feature/x")
    found = {name: freeze_commit(url, name) for name in ("v1", first, "main", "", "feature/x")}
    assert {name: commit for name, (_, commit) in found.items()} == {
        "v1": first, first: first, "main": second, "": second, "feature/x": third
    }  # fmt: skip
    assert content_of(found[first][0]) == {"run.py": b"1"}
    assert content_of(found["feature/x"][0]) == {"run.py": b"3"}


def test_folders_links_and_what_may_be_started(repository, url):
    repository.commit(
        FILES | {"start": (0o100755, b"#!/bin/sh\n"), "again.py": (0o120000, b"src/app/steps.py")}
    )
    copy = code_folder(freeze_commit(url, "")[0])
    assert (copy / "again.py").read_bytes() == b"x = 1\n" and (copy / "again.py").is_symlink()
    assert (copy / "start").stat().st_mode & 0o100 and not (copy / "run.py").stat().st_mode & 0o100


def test_a_private_repository(repository, company):
    repository.commit(FILES)
    with git_server({"/project": repository}, company, token="s3cret") as address:
        assert "asks for a token" in refusal_of(f"{address}/project", "")
        assert "asks for a token" in refusal_of(f"{address}/project", "", Opener("wrong"))
        assert content_of(freeze_commit(f"{address}/project", "", Opener("s3cret"))[0]) == FILES
        assert content_of(freeze_commit(f"{address}/project", "", Opener("git:s3cret"))[0]) == FILES


def test_a_token_does_not_follow_to_another_host(repository, company):
    """Another port is another host: it may be someone else who listens there."""
    repository.commit(FILES)
    brought = []
    with (
        serving(noting({"/project": repository}, brought), company) as elsewhere,
        leading_to(elsewhere, company, "s3cret") as first,
    ):
        assert content_of(freeze_commit(f"{first}/project", "", Opener("s3cret"))[0]) == FILES
    assert len(brought) > 1 and set(brought) == {None}


def test_what_is_not_there(repository, url):
    assert refusal_of(url, "") == "The repository is empty."
    repository.commit(FILES)
    assert refusal_of(url, "nowhere").startswith("“nowhere” is neither a branch, a tag nor")
    assert "is neither" in refusal_of(url, "0" * 40)
    assert "no git repository at this address" in refusal_of(f"{url}/other", "")


def test_a_server_that_is_not_there_or_not_trusted(repository, company, tmp_path, monkeypatch):
    assert "can't be reached" in refusal_of("https://127.0.0.1:1/project", "")
    with git_server({"/project": repository}, company) as address:
        monkeypatch.delenv("SSL_CERT_FILE")
        assert "certificate" in refusal_of(f"{address}/project", "")


def test_a_submodule(repository, url):
    repository.commit(FILES | {"vendor": (0o160000, b"1" * 40)})
    assert refusal_of(url, "").startswith("“vendor” is a submodule")


def test_hooks_filters_and_addresses_in_a_repository_do_nothing(repository, url, tmp_path):
    """Settings that git itself would follow are files like all others, or left out."""
    mark = tmp_path / "mark"
    settings = {
        ".gitattributes": b"* filter=evil\n",
        ".gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = ext::touch% {mark}\n'.encode(),
    }
    hook = {".git/hooks/post-checkout": (0o100755, f"#!/bin/sh\ntouch {mark}\n".encode())}
    repository.commit(FILES | settings | hook)
    assert content_of(freeze_commit(url, "")[0]) == FILES | settings
    assert not mark.exists()


@pytest.mark.parametrize(
    "name", ["--upload-pack=id", "-x", "../../HEAD", "main:run.py", "main~1", "@{-1}", "*", "\0"]
)
def test_names_of_branches_are_only_names(repository, url, name):
    repository.commit(FILES)
    assert refusal_of(url, name).endswith(("of this repository.", "name of a branch or tag."))


def test_links_that_lead_out(repository, url):
    repository.commit(FILES | {"out": (0o120000, b"/etc/passwd")})
    assert "outside the directory" in refusal_of(url, "")


@pytest.mark.parametrize("name", ["..", ".git\n"])
def test_names_that_git_itself_would_not_make(repository, url, name):
    repository.commit({name: b"x"})
    assert "“..”" in refusal_of(url, "") or "control characters" in refusal_of(url, "")


def test_a_few_trees_that_stand_for_millions_of_files(repository, url):
    tree = repository._tree({"x.py": b"1"})
    for _ in range(8):
        tree = repository._tree({str(number): (0o40000, tree) for number in range(10)})
    repository.commit({"bomb": (0o40000, tree)})
    assert "20,000 files" in refusal_of(url, "")


def test_a_repository_that_is_too_large(repository, url, monkeypatch):
    monkeypatch.setattr(boxed_programs, "MAX_BYTES", 1024**2)
    repository.commit({"data.bin": bytes(2 * 1024**2)})
    assert "more than 1 MB" in refusal_of(url, "")


ADDRESSES = [
    "", "project", "/srv/project", "file:///srv/project", "ext::sh -c id", "git://example.org/x", "http://example.org/x",
    "-u https://example.org", "https://", "https://example.org:port/x", "https://[::1/x", "ssh://example.org/x",
    "git@-oProxyCommand=id:x", "ssh://git@-oProxyCommand=id/x", "ssh://-oProxyCommand=id@example.org/x", "git@example.org",
    "ssh://git@example.org:22:33/x", "ssh://git@example.org:0/x", "ssh://git@example.org:65536/x", "ssh://git@example.org/",
    "ssh://git:secret@example.org/x", "git@example.org:--upload-pack=id", "git@example.org:x/-oProxyCommand=id",
    "git@example.org:x';id;'", "git@example.org:$(id)", "git@exa_mple.org:x", "git@example.org\\@evil.org:x", "ext::git@x:y",
    "ssh+ext://git@example.org/x", "git@example.org::x", "git@example.org:/x", "ssh://git@[::1/x", "ssh://git@example.org/x#y",
    "https://ada:secret@example.org/x", "https://example.org/x?a=b", "https://example.org/x y", "https://example.org/\nx",
    "https://example.org/" + "x" * 600, "https+ext://example.org/x",
]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses_that_are_refused(address):
    with pytest.raises(CodeError) as caught:
        check_address(address)
    assert caught.value.reason.endswith(".")
    assert "secret" not in caught.value.reason


def test_addresses_that_are_taken():
    for address in ("https://github.com/acme/project", "https://git.example.org:8443/team/project.git"):
        check_address(address)
