"""Words: people are "they", or named, in everything that is read, comments and names of tests included."""

import re

import pytest

from .walk import ROOT

GENDERED = re.compile(r"\b(?:s?h[e]|h[e]r(?:s|self)?|h[i]m(?:self)?|h[i]s)\b", re.IGNORECASE)
READ = {".py", ".html", ".md", ".txt", ".js", ".css"}
VENDORED = [ROOT / "tests" / "vendor", ROOT / "static" / "editor"]
PARTS = [
    "",
    "benchmarks",
    "docs",
    "examples",
    "orgs",
    "static",
    "templates",
    "tenants",
    "tests",
    "zenpro_site",
]


def files(part: str):
    """What people read in one folder; with "" the files that lie beside the folders."""
    found = (ROOT / part).rglob("*") if part else ROOT.glob("*")
    ours = (path for path in found if not any(map(path.is_relative_to, VENDORED)))
    return sorted(path for path in ours if path.suffix in READ and path.is_file())


def gendered_lines(text: str) -> list[tuple[int, str]]:
    """(number, line) of each line with such a word; "_" separates words in names."""
    lines = enumerate(text.splitlines(), start=1)
    return [(number, line.strip()) for number, line in lines if GENDERED.search(line.replace("_", " "))]


def test_words_are_found_as_words_of_any_case():
    wrong = "Sh" + "e", "h" + "er", "H" + "ERS", "h" + "imself", "test_what_is_h" + "is"
    assert [len(gendered_lines(f"ask {word}.")) for word in wrong] == [1] * len(wrong)
    assert gendered_lines("The other theme, there and where; history of this shell, inherited.") == []


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part or "beside the folders")
def test_people_are_they(part):
    found = files(part)
    assert found, "The folder is gone: take it out of the list."
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {line[:100]}"
        for path in found
        for number, line in gendered_lines(path.read_text())
    ]
    assert wrong == [], "\n".join(wrong)
