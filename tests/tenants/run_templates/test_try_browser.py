"""The page of a try in a real browser, in each of its states."""

from pathlib import Path

import pytest
from factories import make_code, make_grant, make_member, make_org, make_tenant
from playwright.sync_api import expect

from tenants.run_templates.code_tries import end_try
from tenants.run_templates.engine.importing import StepImport
from tenants.run_templates.models import CodeTry
from tests.browsing import LOOKS, problems, tab_to
from tests.tenants.runs.fakes import PROJECT, RUN_ID

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
STEPS = {
    name: {"module": "churn.steps", "attribute": name} for name in ("load", "train", "evaluate", "report")
}
LINE = {"file": "churn/steps.py", "line": 3, "text": "from lightgbm import LGBMClassifier"}
RESULTS = [
    StepImport("load", "churn.steps", "imported"),
    StepImport("train", "churn.models", "missing", missing="lightgbm", **LINE),
    StepImport("evaluate", "churn.metrics", "error", words="KeyError: 'HOME_REGION'", **LINE),
    StepImport(
        "report", "churn.report", "untried", words="ZenPro ended the import: it took more than 120 seconds."
    ),
]


@pytest.fixture
def one(transactional_db, settings, tmp_path):
    settings.ZENPRO_DATA = tmp_path
    org = make_org("Acme AI")
    person = make_member(org, "admin", name="Ada Okafor")
    tenant = make_tenant(org, "production", project_id=PROJECT["id"])
    make_grant(tenant, person, "admin", giver=person)
    fields = {"steps": STEPS, "roots": [""], "requirements": "pandas>=2", "recorded": ["lightgbm==4.5.0"]}
    code = make_code(tenant, "churn", declared={"requirements.txt": ["pandas", "lightgbm"]})
    return CodeTry.objects.create(code=code, person=person, **fields)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_looks(visits, one, width, scheme):
    page = visits.open(f"{one.get_absolute_url()}?run={RUN_ID}", one.person, width=width, scheme=scheme)
    expect(page.get_by_text("Waiting for a free slot")).to_be_visible()
    assert problems(page) == []
    end_try(one, "done", results=RESULTS)
    expect(page.get_by_text("3 of 4 steps can't be loaded.")).to_be_visible()
    assert problems(page) == []
    folder = Path("/tmp/tryit")
    folder.mkdir(exist_ok=True)
    page.screenshot(path=folder / f"tried-{scheme}-{width}.png", full_page=True)
    add = page.get_by_role("button", name="Add lightgbm==4.5.0 and try again")
    tab_to(page, add)
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Packages")).to_have_value("pandas>=2\nlightgbm==4.5.0")
    expect(page.get_by_text("Waiting for a free slot")).to_be_visible()
    end_try(CodeTry.objects.latest("asked_at"), "failed", "No version of lightgbm==4.5.0 fits.")
    expect(page.get_by_text("Nothing was imported.")).to_be_visible()
    page.screenshot(path=folder / f"failed-{scheme}-{width}.png", full_page=True)
    assert problems(page) == []
