import pytest

from tenants.hosting.base import EnvironmentFailed
from tenants.run_templates.document.requirements import RequirementsRefused, check_requirements
from tenants.run_templates.engine.run_environments import RunEnvironments


@pytest.fixture
def environments(tmp_path):
    return RunEnvironments(tmp_path)


OPTIONS, PATHS, ADDRESSES = "options are not supported", "paths are not supported", "URLs are not"
VARIABLES, NO_PACKAGE = "variables are not supported", "not a package name"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-e /srv/code", OPTIONS),
        ("--index-url http://x", OPTIONS),
        ("-r other.txt", OPTIONS),
        ("pandas --hash=sha256:abc", OPTIONS),
        ("pandas==1 --index-url=x", OPTIONS),
        ("./package", PATHS),
        (".", PATHS),
        ("~", PATHS),
        ("/srv/package.whl", PATHS),
        ("../package", PATHS),
        ("folder/package", PATHS),
        ("C:\\package.whl", PATHS),
        ("pandas \\", PATHS),
        ("thing @ file:///etc/passwd", ADDRESSES),
        ("thing @ file:/etc/passwd", ADDRESSES),
        ("thing @ ./local", ADDRESSES),
        ("thing@https://example.org/thing-1.0-py3-none-any.whl", ADDRESSES),
        ("thing @ https://example.org/thing-1.0.tar.gz", ADDRESSES),
        ("thing[x] @ git+https://example.org/thing.git", ADDRESSES),
        ("thing @ git+file:///srv/thing", ADDRESSES),
        ("git+https://example.org/thing.git", ADDRESSES),
        ("https://example.org/thing.zip", ADDRESSES),
        ("thing ; extra == 'x @ https://example.org/x.zip'", ADDRESSES),
        ("thing ; python_version > '${HOME}'", VARIABLES),
        ("thing==${VERSION}", VARIABLES),
        ("$THING", VARIABLES),
        ("thing===anything-at-all", "“===” is not supported"),
        ("thing==", NO_PACKAGE),
        ("thing other", NO_PACKAGE),
        ("thing[", NO_PACKAGE),
        ("thing; nonsense", NO_PACKAGE),
        ("thing==1.0\0", NO_PACKAGE),
        ("pаndas", NO_PACKAGE),  # a Cyrillic letter
        ("thing; " + "(" * 400, NO_PACKAGE),
        ("a" * 501, "longer than 500 characters"),
    ],
)
def test_what_is_not_a_name_with_versions_is_refused_and_its_line_named(line, message):
    with pytest.raises(RequirementsRefused, match=message) as refusal:
        check_requirements(f"# mine\npandas\n{line}\n")
    assert str(refusal.value).startswith(f"Line 3 (“{line[:60].strip()}".replace("\0", "�"))


def test_packages_with_extras_versions_and_markers_are_right():
    check_requirements("# mine\n\npandas>=2,<3  # data\nscikit-learn[x,y]==1.5; python_version > '3.9'\n")
    check_requirements("torch==2.1+cpu\nruamel.yaml~=0.18\nA_b (>=1)\nx==1.*; sys_platform == 'linux'\n")


def test_too_many_lines_are_refused():
    with pytest.raises(RequirementsRefused, match="more than 500"):
        check_requirements("\n".join(f"p{number}" for number in range(501)))


def test_the_key_depends_on_what_is_in_it_and_not_on_how_it_is_written(environments):
    key = environments.key("0.98.0", "b\na==1  # why\n")
    assert key == environments.key("0.98.0", "\nA == 1\n\nb\n")
    assert len({key, environments.key("0.98.0", "b"), environments.key("0.97.0", "a==1\nb")}) == 3
    assert environments.packages(key) == ["zenml==0.98.0", "a==1", "b"]
    assert environments.path(key).name == f"run-{key}"


def test_uv_gets_what_was_understood_and_not_what_was_written(environments):
    key = environments.key("0.98.0", "Ruamel.Yaml [B,a] (>=1, <2) ; python_version>'3.9'\nlocal-1.0.whl\n")
    assert environments.packages(key)[1:] == [
        "local-1-0-whl",
        'ruamel-yaml[a,b]<2,>=1; python_version > "3.9"',
    ]


def test_a_version_is_nothing_but_a_version(environments):
    with pytest.raises(EnvironmentFailed, match="is not a ZenML version"):
        environments.key("0.98.0 --evil", "")


def test_what_is_built_is_reused(environments, monkeypatch):
    calls = []

    def uv(build, *args):
        calls.append(args[0])
        if args[0] == "venv":
            (args[-1] / "bin").mkdir()
            (args[-1] / "bin" / "python").touch()

    monkeypatch.setattr(environments, "_uv", uv)
    assert not environments.ready("0.98.0", "a")
    assert environments.state_of("0.98.0", "a").state == "absent"
    python = environments.prepare("0.98.0", "a")
    assert python.exists()
    assert environments.ready("0.98.0", "a")
    assert environments.prepare("0.98.0", "a") == python
    assert calls == ["venv", "pip"]
    assert environments.state_of("0.98.0", "a").state == "ready"


def test_a_failure_shows_the_resolvers_words_and_leaves_nothing(environments, monkeypatch):
    def uv(build, *args):
        raise EnvironmentFailed("ZenML could not be installed: no version of a==9.")

    monkeypatch.setattr(environments, "_uv", uv)
    reason = "The packages could not be installed: no version of a==9."
    with pytest.raises(EnvironmentFailed, match=reason):
        environments.prepare("0.98.0", "a==9")
    folders = [path for path in environments.folder.iterdir() if path.is_dir()]
    assert folders == [environments.yard]
    assert not [*environments.yard.glob("build-*")]
    state = environments.state_of("0.98.0", "a==9")
    assert (state.state, state.reason) == ("failed", reason)


def test_an_environment_in_the_making_is_seen_by_everybody(environments):
    key = environments.key("0.98.0", "a")
    environments.folder.mkdir(parents=True)
    with environments._exclusive(key):
        assert environments.state_of("0.98.0", "a").state == "building"
    assert environments.state_of("0.98.0", "a").state == "absent"


def test_requirements_that_may_not_be_built_have_failed_before_anything_is_tried(environments):
    state = environments.state_of("0.98.0", "thing @ file:///etc/passwd")
    assert (state.state, state.made, state.lines) == ("failed", None, [])
    assert "URLs are not supported" in state.reason


def test_the_log_shows_its_last_lines_without_secrets_and_without_control_characters(environments):
    key = environments.key("0.98.0", "a")
    log = environments.log(key)
    environments.folder.mkdir(parents=True)
    text = "".join(f"line {number}\n" for number in range(1000))
    text += f"\x1b[31mred\x1b[0m \x00\u202e\nGET https://reader:secret@example.org/simple/a\nin {environments.folder}/x\n"
    log.write_text(text)
    lines = environments.state_of("0.98.0", "a").lines
    assert len(lines) == 200
    assert lines[-3:] == ["red", "GET https://example.org/simple/a", "in …/x"]
