"""Our HTML templates are written for people, one tag a line; this loader takes the line breaks out again.

A line break, with the indentation around it, is

- nothing between two tags, and at the edge of an element or a block: after <p> or {% if %}, before </p>, {% else %}
  or {% endif %}, at the start and the end of a file;
- one space next to words, and inside a tag: between attributes, in a long value, in a long {% include %};
- kept as it is inside <pre>, <textarea>, <script>, <style> and {% verbatim %}.

{{ }} counts as a tag. Where two tags need a space and do not fit on one line, {{ " " }} says so.

To a browser every line break between two buttons is a gap; without this a template can be readable in its file or
right on the screen, not both. A template is folded once, when it is loaded. The price: Django's debug page shows the
folded text, so it names the template and the tag, but not the line.
"""

import re

from django.template.loaders import filesystem

_CODE = r"{%.*?%}|{{.*?}}|{#.*?#}"
_QUOTED = rf""""(?:{_CODE}|[^"])*+"|'(?:{_CODE}|[^'])*+'"""
_REST = rf"""\b(?:{_CODE}|{_QUOTED}|[^>"'])*+>"""
_TOKEN = re.compile(
    rf"(?P<start><(?P<kept>pre|textarea|script|style){_REST}).*?</(?P=kept)>"
    rf"|(?P<verbatim>{{% verbatim.*?endverbatim %}})|<!--.*?-->|{_CODE}|</?[a-zA-Z][\w-]*{_REST}",
    re.DOTALL,
)
_IN_TAG = re.compile(rf"(?P<whole>{_CODE}|{_QUOTED})|(?P<nothing>\s*\n\s*(?={{%|/?>))|\s*\n\s*", re.DOTALL)
_BREAK = re.compile(r"\s*\n\s*")
_ENDS = re.compile(r"{% end(\w+)")
_MIDDLE = {"else", "elif", "empty"}
_ALONE = re.compile(r"</|<!--|<(?:area|br|col|hr|img|input|link|meta|source|wbr)\b")
_OVER = ("/>", "</pre>", "</textarea>", "</script>", "</style>")


class Loader(filesystem.Loader):
    """Reads our own folder of templates; those of libraries come from another loader and stay as they are."""

    def get_contents(self, origin):
        """The text of a template; of an HTML one without the line breaks that are not part of the page."""
        contents = super().get_contents(origin)
        return folded(contents) if origin.template_name.endswith(".html") else contents


def folded(source: str) -> str:
    """The HTML template as its page has it."""
    pieces, end, before = [], 0, ""
    blocks = _MIDDLE.union(_ENDS.findall(source))
    for found in _TOKEN.finditer(source):
        pieces += [_words(source[end : found.start()], before, found[0], blocks), _tag(found)]
        end, before = found.end(), found[0]
    return "".join([*pieces, _words(source[end:], before, "", blocks)])


def _words(text: str, before: str, after: str, blocks: set[str]) -> str:
    """What stands between two tags; `blocks` are the names of the tags that have an end."""
    words = text.strip()
    if not words:
        return "" if "\n" in text else text
    start, end = text.split(words)
    if "\n" in start and (not before or _opens(before, blocks)):
        start = ""
    if "\n" in end and (not after or _closes(after)):
        end = ""
    return _BREAK.sub(" ", start + words + end)


def _opens(tag: str, blocks: set[str]) -> bool:
    """Whether `tag` begins an element or a branch of a block."""
    if tag.startswith("{%"):
        return tag.split()[1] in blocks
    return tag.startswith("<") and not _ALONE.match(tag) and not tag.endswith(_OVER)


def _closes(tag: str) -> bool:
    """Whether `tag` ends an element or a branch of a block."""
    if tag.startswith("{%"):
        return tag.split()[1] in _MIDDLE or tag.startswith("{% end")
    return tag.startswith("</")


def _tag(found: re.Match) -> str:
    if found["verbatim"]:
        return found[0]
    if found["kept"]:
        return _on_one_line(found["start"]) + found[0].removeprefix(found["start"])
    return _on_one_line(found[0]) if found[0].startswith("<") else _BREAK.sub(" ", found[0])


def _on_one_line(tag: str) -> str:
    """A line break before {% %} is nothing, so that an {% if %} around an attribute leaves no space behind."""
    return _IN_TAG.sub(_attribute, tag)


def _attribute(found: re.Match) -> str:
    if found["whole"]:
        return _BREAK.sub(" ", found["whole"])
    return " " if found["nothing"] is None else ""
