"""Static files as they are kept for browsers."""

from unittest.mock import Mock

import pytest
from django.contrib.staticfiles.finders import get_finder
from django.core.files.base import ContentFile

from zenpro_site import static_files
from zenpro_site.static_files import SlimStaticFilesStorage, collect, slim

SCRIPT = b"""// What it does
const one = (text) => `two  // ${text}`;

on("click", ".a", () => {
  one("b"); // why
});
"""


def test_a_script_does_the_same_without_its_comments():
    assert slim(SCRIPT) == b"""const one=(text)=>`two  // ${text}`;on("click",".a",()=>{one("b");});"""


def test_what_a_page_names_is_the_script(tmp_path):
    """Under the name with its hash, for which others have read the file already."""
    storage = SlimStaticFilesStorage(location=tmp_path, base_url="/static/")
    storage.save("js/app.js", ContentFile(SCRIPT))
    assert [*storage.post_process({"js/app.js": (storage, "js/app.js")})]
    hashed = tmp_path / storage.hashed_files["js/app.js"]
    assert hashed.name != "app.js" and hashed.read_bytes() == slim(SCRIPT)


def test_our_scripts_are_slim_and_those_of_libraries_stay(tmp_path):
    storage = SlimStaticFilesStorage(location=tmp_path, base_url="/static/")
    for name in ("js/app.js", "admin/js/core.js", "js/app.css"):
        storage.save(name, ContentFile(SCRIPT))
    assert (tmp_path / "js/app.js").read_bytes() == slim(SCRIPT)
    assert (tmp_path / "admin/js/core.js").read_bytes() == (tmp_path / "js/app.css").read_bytes() == SCRIPT


@pytest.fixture
def folders(tmp_path, settings):
    """(where our files are, where they are kept for browsers)."""
    source, root = tmp_path / "source", tmp_path / "staticfiles"
    source.mkdir()
    (source / "app.css").write_text("a {}")
    settings.STATICFILES_DIRS, settings.STATIC_ROOT = [source], root
    get_finder.cache_clear()
    yield source, root
    get_finder.cache_clear()


def test_files_are_made_once(folders):
    _, root = folders
    assert collect() is True
    assert (root / "app.css").read_text() == "a {}"
    assert collect() is False


def test_they_are_made_anew_when_one_has_changed_or_is_missing(folders):
    source, root = folders
    collect()
    (source / "app.css").write_text("b {}")
    assert collect() is True
    assert (root / "app.css").read_text() == "b {}"
    (root / "app.css").unlink()
    assert collect() is True
    assert (root / "app.css").exists()


def test_what_broke_off_is_made_anew(folders, monkeypatch):
    """Nothing says that files are complete before they are."""
    source, root = folders
    collect()
    (source / "app.css").write_text("b {}")
    with monkeypatch.context() as broken:
        broken.setattr(static_files, "call_command", Mock(side_effect=OSError("No space left on device")))
        with pytest.raises(OSError):
            collect()
    assert collect() is True
    assert (root / "app.css").read_text() == "b {}"
