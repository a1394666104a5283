"""Rebuild ../icons.svg from the names in names.txt and an unpacked lucide-static package.

npm pack lucide-static && tar xf lucide-static-*.tgz
python static/icons/build.py package
"""

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
BODY = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)


def symbol(name, source):
    body = BODY.search(source).group(1)
    body = re.sub(r"\s+", " ", body).replace(" />", "/>").replace("> <", "><").strip()
    return f'<symbol id="{name}" viewBox="0 0 24 24">{body}</symbol>'


def main(package):
    icons = Path(package) / "icons"
    names = (HERE / "names.txt").read_text().split()
    symbols = [symbol(name, (icons / f"{name}.svg").read_text()) for name in names]
    svg = '<svg xmlns="http://www.w3.org/2000/svg">' + "\n".join(["", *symbols, "</svg>", ""])
    (HERE.parent / "icons.svg").write_text(svg)


if __name__ == "__main__":
    main(sys.argv[1])
