"""Archives as code: what is in them arrives, and whatever tries to leave its folder is refused in words."""

import gzip
import io
import os
import stat
import subprocess
import tarfile
import zipfile

import pytest

from tenants.run_templates.engine import boxed_programs, code
from tenants.run_templates.engine.archives import freeze_archive
from tenants.run_templates.engine.code import CodeError, code_folder

FILES = {"run.py": b"print(1)\n", "src/app/__init__.py": b"", "src/app/steps.py": b"x = 1\n"}


@pytest.fixture(autouse=True)
def data(settings, tmp_path):
    settings.ZENPRO_DATA = tmp_path / "data"
    settings.ZENPRO_DATA.mkdir()


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "upload"


def tar_of(archive, members) -> None:
    """members: (TarInfo or name, content)."""
    with tarfile.open(archive, "w:gz") as writer:
        for member, content in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(content)
            writer.addfile(info, io.BytesIO(content))


def special(name, kind, leads_to=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, leads_to
    return info, b""


def zip_of(archive, members) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        for member, content in members:
            writer.writestr(member, content)


def zip_link(name, leads_to):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info, leads_to


def content_of(code_hash) -> dict[str, bytes]:
    folder = code_folder(code_hash)
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def frozen(archive, place="") -> str:
    return freeze_archive(archive, place)[0]


def refusal_of(archive) -> str:
    with pytest.raises(CodeError) as caught:
        frozen(archive)
    left = [path.name for path in (code_folder("x").parent).iterdir()]
    assert left == []
    return caught.value.reason


@pytest.mark.parametrize("make", [tar_of, zip_of])
def test_what_is_in_an_archive_arrives(archive, make):
    make(archive, FILES.items())
    assert content_of(frozen(archive)) == FILES


@pytest.mark.parametrize("make", [tar_of, zip_of])
def test_the_same_files_are_the_same_code_however_they_came(archive, make, tmp_path, settings):
    folder = tmp_path / "project"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    settings.ZENPRO_CODE_ROOTS = [str(tmp_path)]
    make(archive, FILES.items())
    assert frozen(archive) == code.freeze(str(folder))


@pytest.mark.parametrize("make", [tar_of, zip_of])
def test_one_folder_at_the_top_is_the_code(archive, make):
    make(archive, [(f"project-1.0/{name}", content) for name, content in FILES.items()])
    assert content_of(frozen(archive)) == FILES


def test_what_the_system_itself_packs(archive, tmp_path):
    folder = tmp_path / "project"
    (folder / "bin").mkdir(parents=True)
    (folder / "run.py").write_text("print(1)\n")
    (folder / "bin" / "start").write_text("#!/bin/sh\n")
    (folder / "bin" / "start").chmod(0o755)
    os.link(folder / "run.py", folder / "twin.py")
    (folder / "link.py").symlink_to("run.py")
    (folder / "é 中.txt").write_text("ü")
    subprocess.run(["tar", "czf", archive, "."], cwd=folder, check=True)
    copy = code_folder(frozen(archive))
    assert (copy / "twin.py").read_text() == "print(1)\n"
    assert os.readlink(copy / "link.py") == "run.py"
    assert os.access(copy / "bin" / "start", os.X_OK) and not (copy / "run.py").stat().st_mode & 0o100
    assert (copy / "é 中.txt").read_text() == "ü"


def test_links_inside_a_zip_stay_links(archive):
    zip_of(archive, [*FILES.items(), zip_link("again.py", "src/app/steps.py")])
    assert os.readlink(code_folder(frozen(archive)) / "again.py") == "src/app/steps.py"


def test_devices_and_pipes_are_left_out(archive):
    tar_of(archive, [*FILES.items(), special("pipe", tarfile.FIFOTYPE), special("disk", tarfile.BLKTYPE)])
    assert content_of(frozen(archive)) == FILES


@pytest.mark.parametrize("make", [tar_of, zip_of])
def test_hooks_and_settings_of_git_are_left_out(archive, make):
    hooks = {
        ".git/hooks/post-checkout": b"touch /tmp/x",
        ".git/config": b"[core]\nfsmonitor=id",
        "a/.git": b"x",
    }
    make(archive, [*FILES.items(), *hooks.items()])
    assert content_of(frozen(archive)) == FILES


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("comment", "commit"), [(COMMIT, COMMIT), ("", ""), (COMMIT[:-1], ""), ("<b>", ""), (COMMIT * 2000, "")]
)
def test_a_commit_is_forty_digits_and_nothing_else(archive, comment, commit):
    """As `git archive` writes it: in the first header of a .tar, in the comment of a .zip."""
    with tarfile.open(archive, "w:gz", format=tarfile.PAX_FORMAT, pax_headers={"comment": comment}) as writer:
        writer.addfile(tarfile.TarInfo("a.py"))
    assert freeze_archive(archive)[1] == commit
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("a.py", "")
        writer.comment = comment.encode()[:60_000]
    assert freeze_archive(archive)[1] == commit


@pytest.mark.parametrize("make", [tar_of, zip_of])
@pytest.mark.parametrize(
    "name", ["../evil.py", "/etc/evil.py", "a/../../evil.py", "..\\evil.py", "C:\\evil.py"]
)
def test_paths_that_lead_out(archive, make, name):
    make(archive, [*FILES.items(), (name, b"x")])
    assert "leads out of the code" in refusal_of(archive)


LINKS_OUT = {
    "tar": lambda archive: tar_of(archive, [special("out", tarfile.SYMTYPE, "/etc"), *FILES.items()]),
    "tar, by steps": lambda archive: tar_of(
        archive, [("a/b.py", b""), special("a/c", tarfile.SYMTYPE, "../..")]
    ),
    "zip": lambda archive: zip_of(archive, [*FILES.items(), zip_link("out", "/etc/passwd")]),
}


@pytest.mark.parametrize("make", LINKS_OUT.values(), ids=LINKS_OUT)
def test_links_that_lead_out(archive, make):
    make(archive)
    assert "outside the directory" in refusal_of(archive)


def test_nothing_is_written_through_a_link(archive, tmp_path):
    (tmp_path / "aim").mkdir()
    link = special("out", tarfile.SYMTYPE, str(tmp_path / "aim"))
    tar_of(archive, [link, ("out/evil.py", b"x")])
    assert refusal_of(archive) == "“out” is there twice."
    assert [*(tmp_path / "aim").iterdir()] == []


def test_another_name_for_a_file_outside(archive):
    tar_of(archive, [*FILES.items(), special("shadow", tarfile.LNKTYPE, "../../../etc/shadow")])
    assert "leads out of the code" in refusal_of(archive)
    tar_of(archive, [*FILES.items(), special("shadow", tarfile.LNKTYPE, "nowhere")])
    assert "not in the archive" in refusal_of(archive)


def test_the_same_name_twice(archive):
    tar_of(archive, [("run.py", b"1"), ("./run.py", b"2")])
    assert refusal_of(archive) == "“./run.py” is there twice."
    tar_of(archive, [("run", b"1"), ("run/file.py", b"2")])
    assert "is below a file of that name" in refusal_of(archive)


def test_names_with_odd_characters(archive):
    tar_of(archive, [("a\nb.py", b"1")])
    assert refusal_of(archive) == "“a�b.py” has control characters in its name."
    tar_of(archive, [(f"{'x' * 300}.py", b"1")])
    assert "too long" in refusal_of(archive)


def test_bombs(archive, monkeypatch):
    monkeypatch.setattr(boxed_programs, "MAX_BYTES", 1024**2)
    zip_of(archive, [("zeros", bytes(2 * 1024**2))])
    assert "more than 1 MB" in refusal_of(archive)
    tar_of(archive, [("zeros", bytes(2 * 1024**2))])
    assert "more than 1 MB" in refusal_of(archive)


def test_a_header_that_never_ends(archive, monkeypatch):
    """The name of a member can be as long as a file, and is read as a whole."""
    monkeypatch.setattr(boxed_programs, "MAX_BYTES", 1024**2)
    monkeypatch.setattr(boxed_programs, "MAX_FILES", 1024)
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 64 * 1024**2
    with gzip.open(archive, "wb") as writer:
        writer.write(info.tobuf(tarfile.GNU_FORMAT))
        writer.write(b"a" * info.size)
    assert "more than 1 MB" in refusal_of(archive)


def test_too_many_files(archive, monkeypatch):
    monkeypatch.setattr(boxed_programs, "MAX_FILES", 5)
    tar_of(archive, [(f"{number}.py", b"") for number in range(6)])
    assert "5 files" in refusal_of(archive)
    zip_of(archive, [(f"{number}.py", b"") for number in range(6)])
    assert "5 files" in refusal_of(archive)


def test_a_password(archive):
    zip_of(archive, FILES.items())
    marked = bytearray(archive.read_bytes())
    for mark, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        marked[marked.index(mark) + at] |= 1
    archive.write_bytes(marked)
    assert refusal_of(archive) == "The archive has a password. Send one without."


def test_what_is_no_archive(archive):
    archive.write_bytes(b"hello")
    assert refusal_of(archive) == "Send a .zip or .tar.gz file; this is neither."
    archive.write_bytes(b"")
    assert refusal_of(archive) == "Send a .zip or .tar.gz file; this is neither."


@pytest.mark.parametrize("make", [tar_of, zip_of])
def test_a_damaged_archive(archive, make):
    make(archive, FILES.items())
    archive.write_bytes(archive.read_bytes()[:-40])
    assert refusal_of(archive).startswith("The archive is damaged: ")


def test_an_empty_archive(archive):
    zip_of(archive, [])
    assert refusal_of(archive) == "The directory is empty."


def test_a_reader_that_is_killed(archive, monkeypatch, tmp_path):
    (tmp_path / "unpack.py").write_text("x = bytearray(900 * 1024**2); import time; time.sleep(60)")
    monkeypatch.setattr(boxed_programs, "PROGRAMS", tmp_path)
    tar_of(archive, FILES.items())
    assert "more than 512 MB of memory" in refusal_of(archive)


def test_one_tenants_code_is_read_at_a_time_and_others_go_on(archive, monkeypatch):
    """Code that makes its reader slow never holds the threads of the web."""
    monkeypatch.setattr(boxed_programs.PLACES, "patience", 0.01)
    zip_of(archive, FILES.items())
    with boxed_programs.PLACES.one("acme"):
        with pytest.raises(CodeError, match="Other code is being read right now"):
            frozen(archive, "acme")
        assert content_of(frozen(archive, "globex")) == FILES
        with boxed_programs.PLACES.one("initech"), pytest.raises(CodeError, match="Other code is being read"):
            frozen(archive, "globex")
    assert content_of(frozen(archive, "acme")) == FILES
