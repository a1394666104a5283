"""How far a request travels through our code: calls, functions, files, and moves between files.

    .venv/bin/python benchmarks/moves.py [--against <commit>]

Five requests are made with Django's test client in the small world of the guards (tests/guards/world.py), each twice,
the second time counted: what is loaded or compiled once does not count. The database is SQLite, in a temporary folder.
With --against, the same is measured in a temporary worktree of that commit and shown beside it. This file knows only
URLs and what tests/factories.py offers, so modules can move between the two. Everything is counted, nothing timed:
the figures are the same on a busy machine. A few seconds for each of the two.

Ours are the packages orgs, tenants and zenpro_site. What is counted, from the events of sys.setprofile:

calls       how often code of ours is entered: a function, a lambda, a comprehension, and a generator each time it goes
            on. Also when Django or a template calls it.
functions   how many different pieces of code of ours these calls enter.
files       how many files of ours these lie in.
moves       calls whose caller lies in another file of ours. The caller is the innermost code of ours that is under
            way; Django and other libraries in between are looked through. The way back does not count again, nor does
            a call for which no code of ours is under way, as the first middleware's.
"""

# ruff: noqa: PLC0415 - models can be imported only after Django has been set up

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("orgs", "tenants", "zenpro_site")
COLUMNS = ("calls", "functions", "files", "moves")
PASSWORD = "tremendously long words"


class Travel:
    """What happens in code below the given folders while it is `watched()`."""

    def __init__(self, folders: list[Path]):
        self.folders = tuple(f"{folder}{os.sep}" for folder in folders)
        self.calls = self.moves = 0
        self.entered, self._under_way = set(), []

    @contextmanager
    def watched(self):
        sys.setprofile(self._event)
        try:
            yield self
        finally:
            sys.setprofile(None)

    def _event(self, frame, event: str, _) -> None:
        if event not in ("call", "return") or not frame.f_code.co_filename.startswith(self.folders):
            return
        if event == "call":
            self._enter(frame.f_code)
        elif self._under_way:
            self._under_way.pop()

    def _enter(self, code) -> None:
        self.calls += 1
        self.moves += bool(self._under_way) and self._under_way[-1] != code.co_filename
        self.entered.add((code.co_filename, code.co_firstlineno, code.co_qualname))
        self._under_way.append(code.co_filename)

    @property
    def counts(self) -> dict[str, int]:
        files = {file for file, *_ in self.entered}
        return dict(zip(COLUMNS, (self.calls, len(self.entered), len(files), self.moves), strict=True))


# -- forms, as a browser sends them


class Forms(HTMLParser):
    """The fields of each form on a page with their values: {name: [value, …]}. Buttons and files stay out."""

    def __init__(self, page: str):
        super().__init__()
        self.found, self._open, self._text, self._choice = [], False, "", ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form":
            self.found.append({})
            self._open = True
        elif self._open:
            getattr(self, f"_{tag}", lambda attrs: None)(attrs)

    def _input(self, attrs):
        kind = attrs.get("type")
        left_out = kind in ("file", "submit") or "disabled" in attrs
        if "name" in attrs and not left_out and (kind not in ("checkbox", "radio") or "checked" in attrs):
            self._values(attrs["name"]).append(attrs.get("value") or ("on" if kind == "checkbox" else ""))

    def _textarea(self, attrs):
        self._text = attrs["name"]
        self._values(self._text).append("")

    def _select(self, attrs):
        self._choice = attrs.get("name", "")

    def _option(self, attrs):
        """The one that is selected, else the first."""
        if self._choice and ("selected" in attrs or not self._values(self._choice)):
            self._values(self._choice)[:] = [attrs.get("value") or ""]

    def _values(self, name: str) -> list[str]:
        return self.found[-1].setdefault(name, [])

    def handle_data(self, data):
        if self._text:
            values = self._values(self._text)
            values[-1] = (values[-1] + data).removeprefix("\n")

    def handle_endtag(self, tag):
        if tag == "form":
            self._open = False
        elif tag in ("textarea", "select"):
            self._text = self._choice = ""


def form_with(field: str, answer) -> dict[str, list[str]]:
    """The form on a page that has this field."""
    return next(form for form in Forms(answer.content.decode()).found if field in form)


# -- the requests


class Requests:
    """Each method prepares one request, uncounted, and returns what makes it. All can be made again and again."""

    def __init__(self):
        from django.test import Client

        from tests.guards.world import World

        self.world, self.number, self.browser = World("Acme AI"), 0, Client()
        self.browser.force_login(self.world.admin)
        self.org = f"/o/{self.world.org.slug}/"
        self.tenant = f"{self.org}t/{self.world.tenant.slug}/"

    def create_tenant(self):
        """With a role inside for the person who creates it."""
        self.number += 1
        fields = form_with("slug", self.browser.get(f"{self.org}t/new/"))
        fields |= {"name": f"Research {self.number}", "slug": f"research-{self.number}"}
        fields |= {"access-0-holder": self.world.admin.email}
        return lambda: self.browser.post(f"{self.org}t/new/", fields)

    def accept_an_invitation(self):
        """Of someone without an account, into a team and with a role on a tenant."""
        from django.test import Client

        path = "/invite/" + self.invite_by_api()().json()[0]["link"].partition("/invite/")[2]
        stranger = Client()
        fields = form_with("password", stranger.get(path)) | {"name": "Linus Berg", "password": PASSWORD}
        return lambda: stranger.post(path, fields)

    def matrix_grant(self):
        """A first role for a team, chosen in the menu of its cell."""
        from factories import make_team, tenant_role

        team = make_team(self.world.org, members=[self.world.person])
        cell, path = f"cell-{team.pk}-{self.world.tenant.slug}", f"{self.tenant}members/team/{team.uuid}/"
        assert f'"{cell}"' in self.browser.get(f"{self.org}matrix/").content.decode()
        inside = {"HX-Request": "true", "HX-Target": "cell-menu"}
        fields = form_with("on", self.browser.get(f"{path}?on=matrix", headers=inside))
        fields["role"] = str(tenant_role(self.world.org, "viewer").pk)
        return lambda: self.browser.post(path, fields, headers={**inside, "HX-Target": cell})

    def invite_by_api(self):
        """One person, into a team and with a role on a tenant."""
        from django.test import Client
        from factories import make_key

        self.number += 1
        script = Client(headers={"Authorization": f"Bearer {make_key(self.world.admin).secret}"})
        body = {"emails": [f"grace{self.number}@example.org"], "role": "viewer"}
        body |= {
            "teams": [str(self.world.team.uuid)],
            "tenant_roles": {str(self.world.tenant.pk): "developer"},
        }
        path = f"/api/v1/organizations/{self.world.org.slug}/invitations"
        return lambda: script.post(path, body, content_type="application/json")

    def run_again(self):
        """The form of a template with one value changed, and its button Run."""
        path = f"{self.tenant}templates/{self.world.template.pk}/run/"
        fields = form_with("document", self.browser.get(path))
        fields |= {"steps.train.parameters.rounds": "7", "do": "run"}
        return lambda: self.browser.post(path, fields)


REQUESTS = {
    "create tenant": (Requests.create_tenant, 302),
    "accept an invitation": (Requests.accept_an_invitation, 302),
    "matrix grant": (Requests.matrix_grant, 200),
    "API invite": (Requests.invite_by_api, 201),
    "re-run POST": (Requests.run_again, 302),
}


def count(tree: Path) -> dict[str, dict[str, int]]:
    """Name of the request -> its counts, with the code in this process, which is that of `tree`."""
    set_up(tree)
    requests, found = Requests(), {}
    for name, (prepare, status) in REQUESTS.items():
        prepare(requests)()
        make, travel = prepare(requests), Travel([tree / package for package in PACKAGES])
        with travel.watched():
            answer = make()
        assert answer.status_code == status, f"{name}: {answer.status_code} {answer.content[:500]}"
        found[name] = travel.counts
    return found


def set_up(tree: Path) -> None:
    """Django with the settings of the tests and an empty database."""
    sys.path[:0] = [str(tree), str(tree / "tests")]
    import django

    django.setup()
    from django.db import connection
    from django.test.utils import setup_test_environment

    setup_test_environment()
    connection.creation.create_test_db(verbosity=0)


# -- the command


def counted_in(tree: Path) -> dict[str, dict[str, int]]:
    """The counts of one tree, made in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}
    ours = {"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(tree), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, __file__, "--count", str(tree)]
    env = {**kept, **ours, "ZENPRO_LOG_LEVEL": "ERROR"}
    done = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{tree}:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def worktree_of(commit: str):
    """The files of a commit, in a temporary folder."""
    git = ["git", "-C", str(ROOT), "worktree"]
    with tempfile.TemporaryDirectory(prefix="zenpro-moves-") as folder:
        tree = Path(folder).resolve() / "tree"
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), commit], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def show(now: dict) -> None:
    print(f"{'':22}" + "".join(f"{column:>11}" for column in COLUMNS))
    for name, counts in now.items():
        print(f"{name:22}" + "".join(f"{counts[column]:11}" for column in COLUMNS))


def show_both(before: dict, now: dict, commit: str) -> None:
    """Both, and how many of the moves are left."""
    print(
        f"{commit} → now{'':4}".ljust(22)
        + "".join(f"{column:>15}" for column in COLUMNS)
        + f"{'moves left':>13}"
    )
    for name, counts in now.items():
        cells = (f"{before[name][column]} → {counts[column]}" for column in COLUMNS)
        share = counts["moves"] / before[name]["moves"]
        print(f"{name:22}" + "".join(f"{cell:>15}" for cell in cells) + f"{share:13.0%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", metavar="COMMIT", help="show the counts of this commit beside ours")
    parser.add_argument("--count", type=Path, metavar="TREE", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.count:
        print(json.dumps(count(asked.count)))
    elif asked.against:
        with worktree_of(asked.against) as tree:
            show_both(counted_in(tree), counted_in(ROOT), asked.against)
    else:
        show(counted_in(ROOT))


if __name__ == "__main__":
    main()
