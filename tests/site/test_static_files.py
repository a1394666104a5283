"""Static files as they are kept for browsers."""

from django.core.files.base import ContentFile

from zenpro_site.static_files import SlimStaticFilesStorage, slim

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
