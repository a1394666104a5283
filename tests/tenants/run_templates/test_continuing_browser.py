"""A failed run, the form that continues it, and the run that does, as they look."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone
from factories import make_grant, make_member, make_org, make_template, make_template_run, make_tenant
from playwright.sync_api import expect

from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.models import TemplateRun
from tests.browsing import LOOKS, problems
from tests.tenants.runs.fakes import PROJECT, RUN_ID, churn

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
TRACE = """  File "/x/runs/{pk}/code/churn/steps.py", line 5, in train
    from xgboost import XGBClassifier
ModuleNotFoundError: No module named 'xgboost'
"""
CODE = '"""Steps."""\n\n\ndef train(rounds: int = 120):\n    from xgboost import XGBClassifier\n\n    return XGBClassifier(n_estimators=rounds)\n'


@pytest.fixture
def failed(transactional_db, server, settings, tmp_path):
    """A re-run whose step train failed, on a tenant of its person."""
    settings.ZENPRO_DATA = tmp_path
    org = make_org("Acme AI")
    owner = make_member(org, "admin", name="Ada Okafor")
    tenant = make_tenant(org, "production", name="production", project_id=PROJECT["id"])
    make_grant(tenant, owner, "admin", giver=owner)
    snapshot, stack = churn("snapshot"), server.run(RUN_ID).stack_id
    fields = {
        "snapshot": snapshot,
        "default_configuration": default_configuration(snapshot),
        "created_by": owner,
        "code_chosen_by": owner,
        "stack_id": stack,
    }
    template = make_template(tenant, "nightly-churn", pipeline_name="churn", **fields)
    code = tmp_path / "code" / template.code.code_hash / "churn"
    code.mkdir(parents=True)
    (code / "steps.py").write_text(CODE)
    server.fail(message="No module named 'xgboost'")
    answer = server.step_answers[str(RUN_ID)]
    answer["items"] = [step for step in answer["items"] if step["name"] != "evaluate"]
    fields = {"configuration": template.default_configuration, "zenml_run_id": RUN_ID, "state": "failed"}
    kept = {"kept_bytes": 48_000, "kept_until": timezone.now() + timedelta(days=7)}
    run = make_template_run(template, owner, **fields, **kept)
    for step in answer["items"]:
        if step["name"] == "train":
            step["metadata"]["exception_info"]["traceback"] = TRACE.format(pk=run.pk)
    return run


def shot(page, name):
    """A picture for those who want to look, in the folder PICTURES names."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_from_a_failure_to_a_run_that_continues_it(failed, server, visits):
    """From the failed run by keyboard-sized steps: its line, the form at the step, another value, and the new run."""
    org, tenant, person = failed.template.tenant.organization, failed.template.tenant, failed.created_by
    address = reverse("tenants:run_detail", args=[org.slug, tenant.slug, RUN_ID])
    for width, scheme in LOOKS:
        page = visits.open(address, person, width, scheme)
        expect(page.locator("#why .now")).to_contain_text("from xgboost import")
        shot(page, f"failed-{width}-{scheme}")
        assert problems(page) == []
        page.get_by_role("link", name="Continue from the failed step").click()
        expect(
            page.get_by_role("heading", name="Continue nightly-churn re-run 1 with changes")
        ).to_be_visible()
        assert page.url.endswith("#s4")
        expect(page.locator("#going-on")).to_contain_text("3 steps taken over, 2 to run")
        page.get_by_label("group_by").select_option("plan")
        expect(page.locator("#going-on")).to_contain_text("profile: its group_by changed")
        expect(page.locator("#going-on")).to_contain_text("2 steps taken over, 3 to run")
        page.evaluate("scrollTo(0, document.body.scrollHeight)")  # where the dock lies over nothing
        shot(page, f"continue-{width}-{scheme}")
        assert problems(page) == []
    page.get_by_role("button", name="Continue", exact=True).click()
    expect(page.get_by_text("2 steps taken over").first).to_be_visible()
    made = TemplateRun.objects.get(number=2)
    assert (made.continues, set(made.taken_over)) == (failed, {"load_customers", "build_features"})
    second = server.add_run()
    for node in server.dags[str(second)]["nodes"]:
        if node["name"] in made.taken_over:
            node["metadata"]["status"] = "skipped"
    TemplateRun.objects.filter(pk=made.pk).update(zenml_run_id=second, state="completed")
    for width, scheme in LOOKS:
        page = visits.open(address.replace(str(RUN_ID), str(second)), person, width, scheme)
        expect(page.get_by_text("Taken over from re-run 1").first).to_be_visible()
        shot(page, f"continued-{width}-{scheme}")
        assert problems(page) == []


def test_continuing_without_scripts(failed, server, visits):
    """What changed is said before anything starts, and the second click starts it."""
    org, tenant = failed.template.tenant.organization, failed.template.tenant
    args = [org.slug, tenant.slug, failed.template_id]
    form = reverse("run_templates:run", args=args)
    page = visits.open(f"{form}?continue=1", failed.created_by, java_script_enabled=False)
    page.get_by_label("group_by").select_option("plan")
    page.get_by_role("button", name="Continue", exact=True).click()
    expect(page.get_by_role("alert").first).to_contain_text("not what this page showed")
    expect(page.locator("#going-on")).to_contain_text("profile: its group_by changed")
    assert TemplateRun.objects.count() == 1
    visits.errors.clear()  # browsers name an answer 422 an error
    page.get_by_role("button", name="Continue", exact=True).click()
    expect(page.get_by_text("2 steps taken over").first).to_be_visible()
    assert TemplateRun.objects.count() == 2
