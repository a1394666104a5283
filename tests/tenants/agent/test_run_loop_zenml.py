"""Re-runs of the example on a real, unmodified ZenML server, asked and started as the people who click."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import pytest
from django.http import QueryDict
from factories import make_grant, make_member, make_tenant

from orgs.members.actions import remove_member
from orgs.models import Organization
from orgs.roles.models import Role
from orgs.users.models import Actor
from tenants.agent.chores import Cuts
from tenants.agent.run_loop import RunLoop
from tenants.agent.try_loop import TryLoop
from tenants.hosting.local.environments import Environments
from tenants.hosting.local.locations import local_spec_of, local_stores_of
from tenants.hosting.local.variables import environment
from tenants.models import new_secrets
from tenants.run_templates.actions import cancel_run, create_template, queue_run
from tenants.run_templates.code_actions import add_folder
from tenants.run_templates.code_tries import begin_try
from tenants.run_templates.component_schemas import integrations_at
from tenants.run_templates.continuing import continued_with
from tenants.run_templates.document.hidden import with_masks
from tenants.run_templates.document.packages import together
from tenants.run_templates.engine import marked_processes, runner
from tenants.run_templates.engine.derive import derive, snapshot_body
from tenants.run_templates.engine.integration_packages import IntegrationPackages, packages_of
from tenants.run_templates.engine.remote_stacks import user_of_runners
from tenants.run_templates.engine.run_environments import RunEnvironments
from tenants.run_templates.models import TemplateRun
from tenants.run_templates.run_commit import RunCommit, commit_of
from tenants.runs import columns, connection
from tenants.runs.actions import change_tags, stop
from tenants.runs.client import TenantClients
from tenants.runs.comparison import compare
from tenants.runs.connection import connect
from tenants.runs.forms import RunFilterForm
from tenants.runs.log_files import read_file, stores_here
from tenants.runs.reading import list_runs
from tenants.runs.run_readings import previous, read_runs
from tests.tenants.hosting.stub_control_plane import free_port

pytestmark = [pytest.mark.zenml, pytest.mark.django_db(transaction=True)]
CHURN = Path(__file__).parents[3] / "examples" / "churn"
VERSION = "0.98.0"


def eventually(check, limit=600.0, every=0.05):
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if found := check():
            return found
        time.sleep(every)
    raise AssertionError(f"not within {limit} s")


class Site:
    """One tenant server for this module. Its rows are made anew for each test, always the same."""

    def __init__(self, data, url, version):
        self.data, self.url, self.version, self.process = data, url, version, None
        self.ids = {name: uuid4() for name in ("org", "tenant", "ada", "dev", "viewer")}
        self.secrets = new_secrets()
        self.port, self.project, self.source_run = free_port(), None, None

    def rows(self):
        org = Organization.objects.create(id=self.ids["org"], name="Acme", slug="acme")
        Role.objects.seed(org)
        people = {
            name: make_member(org, role, id=self.ids[name], email=f"{name}@example.org", username=name)
            for name, role in (("ada", "admin"), ("dev", "member"), ("viewer", "viewer"))
        }
        tenant = make_tenant(
            org,
            "real",
            id=self.ids["tenant"],
            workspace_name="real",
            zenml_version=self.version,
            port=self.port,
            server_url=f"http://127.0.0.1:{self.port}",
            sealed_secrets=self.secrets,
            project_id=self.project,
        )
        for name, role in (("ada", "admin"), ("dev", "developer"), ("viewer", "viewer")):
            make_grant(tenant, people[name], role)
        return tenant, people

    def start(self, tenant):
        """As the supervisor does: a server that ended because we answered too late is started again."""
        for _ in range(3):
            self._spawn(tenant)
            eventually(lambda: self.healthy() or self.process.poll() is not None, every=0.5)
            if self.process.poll() is None:
                return
        self.process = None
        pytest.fail((self.data / "server.log").read_text()[-3000:])

    def _spawn(self, tenant):
        python = Environments(self.data).python(self.version)
        spec = local_spec_of(tenant)
        (spec.folder / "config").mkdir(parents=True, exist_ok=True)
        command = [python, "-m", "uvicorn", "zenml.zen_server.zen_server_api:app", "--port", str(self.port)]
        with open(self.data / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                command, env=environment(spec, {}), cwd=spec.folder, stdout=log, stderr=log
            )

    def healthy(self):
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/health", trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(120)
            self.process = None

    def run_the_example(self, tenant, ada):
        client = connect(ada, tenant)
        self.project = self.project or client.create_project("default")["id"]
        scratch = self.data / "scratch"
        env = {
            "PATH": os.defpath,
            "HOME": str(scratch),
            "ZENML_CONFIG_PATH": str(scratch),
            "ZENML_STORE_TYPE": "rest",
            "ZENML_STORE_URL": tenant.server_url,
            "ZENML_STORE_API_TOKEN": client.session(),
            "ZENML_ACTIVE_PROJECT_ID": self.project,
            "ZENML_LOCAL_STORES_PATH": str(local_stores_of(tenant)),
            "ZENML_USER_ID": str(user_of_runners(tenant.pk)),
            "ZENML_ANALYTICS_OPT_IN": "false",
        }
        python = Environments(self.data).python(self.version)
        done = subprocess.run(
            [python, "run.py"], cwd=CHURN, env=env, check=False, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        self.source_run = client.runs(self.project).items[0].id


@pytest.fixture(scope="module")
def site(request, tmp_path_factory, live_server, zen_data):
    """With the version of the module that asks."""
    data, version = tmp_path_factory.mktemp("zenpro"), request.module.VERSION
    Environments(zen_data, sys.executable).install(version)
    RunEnvironments(zen_data).prepare(version, "")
    for made in (*zen_data.glob("envs/server-*"), *zen_data.glob("envs/run-*")):
        shutil.copytree(made, data / "envs" / made.name, symlinks=True, copy_function=os.link)
    site = Site(data, live_server.url, version)
    yield site
    site.stop()


@pytest.fixture
def here(site, settings, live_server, transactional_db, monkeypatch):
    """(tenant, people) with the server running and the example run once."""
    monkeypatch.setattr(connection, "_clients", TenantClients(timeout=60))  # machines that run tests are busy
    settings.ZENPRO_DATA = site.data
    settings.ZENPRO_URL, settings.ZENPRO_API_URL = live_server.url, f"{live_server.url}/api"
    tenant, people = site.rows()
    if site.process is None:
        site.start(tenant)
    if site.source_run is None:
        site.run_the_example(tenant, people["ada"])
    tenant.project_id = site.project
    tenant.save()
    return tenant, people


@pytest.fixture
def template(here, site):
    tenant, people = here
    by = Actor(people["dev"])
    run = connect(by.person, tenant).run(site.source_run)
    facts = {"pipeline": run.pipeline, "snapshot": connect(by.person, tenant).snapshot(run.snapshot_id)}
    return create_template(
        tenant=tenant,
        run_id=site.source_run,
        name="churn",
        description="",
        code=add_folder(tenant=tenant, location=str(CHURN), by=by, **facts),
        requirements="",
        by=by,
    )


@contextmanager
def agent():
    stop, loop = threading.Event(), RunLoop()
    thread = threading.Thread(target=loop.run_forever, args=(stop,))
    thread.start()
    try:
        yield loop
    finally:
        stop.set()
        thread.join()
        loop.pool.shutdown(wait=True)


def fresh(run):
    return TemplateRun.objects.select_related("template__tenant").get(pk=run.pk)


def ended(run):
    return eventually(lambda: fresh(run).has_ended and fresh(run))


def in_state(run, state):
    def check():
        now = fresh(run)
        assert not now.has_ended or now.state == state, (
            now.state,
            now.state_reason,
            runner.chosen().output(run.pk),
        )
        return now if now.state == state else None

    return eventually(check)


def process_start(run):
    """Epoch seconds at which the runner was started."""
    boot = time.time() - float(Path("/proc/uptime").read_text().split()[0])
    return boot + int(run.pid_started.partition("/")[0]) / os.sysconf("SC_CLK_TCK")


SLOW = {"enable_cache": False, "steps": {"train": {"parameters": {"kind": "stumps", "rounds": 1000}}}}


def test_the_list_of_runs_is_filtered_and_sorted_by_the_server(site, here):
    """Each filter of the page alone: with a value of the recorded run it finds that, with another one it does not."""
    tenant, people = here
    client = connect(people["ada"], tenant)
    tags = ["best: one", "100%"]
    made = change_tags(
        client, tenant=tenant, run_id=site.source_run, added=[*tags, "x"], removed=[], by=Actor(people["ada"])
    )
    made = change_tags(
        client, tenant=tenant, run_id=made.id, added=[], removed=["x", "never"], by=Actor(people["ada"])
    )
    assert set(made.tags) >= {*tags} and "x" not in made.tags
    day = f"{made.start:%Y-%m-%d}"
    hits = {
        "q": made.name[:9], "status": "completed", "person": "ada", "pipeline": made.pipeline[1:], "tag": "best: one",
        "stack": made.stack, "since": day, "until": day, "template": "one", "sort": "-started",
    }  # fmt: skip
    misses = hits | {
        "q": "nothing", "status": "failed", "person": "dev", "pipeline": "nothing", "tag": "best", "stack": "nothing",
        "since": "2200-01-01", "until": "2020-01-01",
    }  # fmt: skip

    def found(name, value, run_ids):
        chosen = RunFilterForm(QueryDict(urlencode({name: value})), templates=[("one", "One")])
        assert chosen.ignored == []
        page = list_runs(client, tenant, **chosen.wire("ada", run_ids)).page
        return site.source_run in {run.id for run in page.items}

    assert {name: found(name, value, [made.id]) for name, value in hits.items()} == dict.fromkeys(hits, True)
    missing = {name: found(name, value, []) for name, value in misses.items() if name != "sort"}
    assert missing == dict.fromkeys(missing, False)
    for sort in ("name", "-status", "started"):
        assert found("sort", sort, [])


def test_columns_of_the_list_of_runs_are_read_in_one_call(site, here):
    tenant, people = here
    client = connect(people["ada"], tenant)
    runs = list_runs(client, tenant).page.items
    wanted, understood = columns.parsed(["metric:train.training_auc", "parameter:train.rounds"])
    values, note = columns.values(client, runs, wanted, with_masks())
    assert (understood, note) == (True, "")
    assert [value.is_number for value in values[site.source_run]] == [True, True]
    assert set(wanted) <= set(columns.offered(client, runs))


def test_logs_are_read_from_their_files_as_the_server_reads_them(site, here):
    tenant, people = here
    client, stores = connect(people["ada"], tenant), stores_here(tenant)
    steps = client.steps(site.source_run)
    files = [read_file(stores, client.step(step.id)) for step in steps]
    assert [list(file) for file in files] == [client.step_logs(step.id) for step in steps]
    assert steps and all(len(file) for file in files)


def test_a_run_from_elsewhere_is_stopped_by_its_server(site, here):
    tenant, people = here
    client = connect(people["dev"], tenant)
    body = {"snapshot": str(client.run(site.source_run).snapshot_id), "project": site.project}
    body |= {"name": "from elsewhere", "status": "running", "orchestrator_run_id": "elsewhere-1"}
    made = client.create_run(body)
    stop(client, tenant=tenant, run=made, by=Actor(people["dev"]))
    assert client.run(made.id).status in ("stopping", "stopped")


def metrics_of(client, *run_ids) -> tuple[set, set]:
    """Which metrics of these runs differ, and how the last of them came to those of steps that did not run."""
    rows = next(
        group for group in compare(read_runs(client, run_ids).found).groups if group.key == "metrics"
    ).rows
    assert {"load_customers", "build_features", "train"} <= {row.step for row in rows}
    return {row.name for row in rows if row.differs}, {row.cells[-1].taken for row in rows}


def test_the_same_again_comes_from_the_cache_and_without_it_when_it_is_off(site, template, here):
    tenant, people = here
    with agent():
        cached = ended(queue_run(template=template, configuration={}, by=Actor(people["dev"])))
        fully = ended(
            queue_run(template=template, configuration={"enable_cache": False}, by=Actor(people["dev"]))
        )
    client = connect(people["dev"], tenant)
    assert {step.status for step in client.steps(cached.zenml_run_id)} == {"cached"}
    assert {step.status for step in client.steps(fully.zenml_run_id)} == {"completed"}
    assert metrics_of(client, site.source_run, cached.zenml_run_id) == (set(), {"cached"})


def test_a_failed_run_is_continued_and_what_completed_is_not_run_again(template, here):
    """ZenML itself skips the steps: their results are those of the failed run, also with the cache switched off."""
    tenant, people = here
    by, client = Actor(people["dev"]), connect(people["dev"], tenant)
    failing = {"enable_cache": False, "steps": {"evaluate": {"parameters": {"min_auc": 0.99}}}}
    with agent():
        failed = ended(queue_run(template=template, configuration=failing, by=by))
        assert failed.state == "failed"
        words = (
            r"The step evaluate failed: AUC 0\.\d+ is below the wanted 0\.99\. \(churn/steps\.py, line \d+\)"
        )
        assert re.fullmatch(words, failed.state_reason)
        document, plan = continued_with(
            {
                "steps": {
                    "evaluate": {"parameters": {"min_auc": 0.1}},
                    "profile": {"parameters": {"group_by": "plan"}},
                }
            },
            failed,
            failed.template,
            client,
            by.person,
        )
        done = ended(queue_run(template=template, configuration=document, by=by, continues=plan))
    assert (done.state, done.state_reason) == ("completed", ""), runner.chosen().output(done.pk)
    assert (plan.step, [one.why for one in plan.again]) == ("evaluate", ["its group_by changed"])
    before = {step.name: step for step in client.steps(failed.zenml_run_id)}
    after = {step.name: step for step in client.steps(done.zenml_run_id)}
    taken = {"load_customers", "build_features", "train"}
    assert {name for name, step in after.items() if step.status == "skipped"} == taken == set(done.taken_over)
    assert {step.status for name, step in after.items() if name not in taken} == {"completed"}
    saved = [one["train"].raw["resources"]["outputs"]["model"][0]["id"] for one in (before, after)]
    assert saved[0] == saved[1]
    assert client.run(done.zenml_run_id).original_run_id == failed.zenml_run_id
    differing, came = metrics_of(client, failed.zenml_run_id, done.zenml_run_id)
    assert "taken over" in came and not {"customers", "columns", "test_rows", "training_auc"} & differing


def test_settings_beside_the_parameters_have_their_effect(template, here):
    """The run's retries are every step's, a step's own win; the server works them out (0.98.0)."""
    tenant, people = here
    resources = {"resources": {"cpu_count": 1, "memory": "1GB"}}
    configuration = {
        "retry": {"max_retries": 1, "delay": 0, "backoff": 0},
        "settings": resources,
        "model": {"name": "leaver"},
        "steps": {
            "train": {"retry": {"max_retries": 2}, "enable_cache": False},
            "evaluate": {"parameters": {"min_auc": 0.99}},
        },
    }
    with agent():
        done = ended(queue_run(template=template, configuration=configuration, by=Actor(people["dev"])))
    client = connect(people["dev"], tenant)
    kept = client.snapshot(done.zenml_snapshot_id)["metadata"]["step_configurations"]
    retries = {name: step["config"]["retry"]["max_retries"] for name, step in kept.items()}
    assert retries == {**dict.fromkeys(retries, 1), "train": 2}
    assert all(step["config"]["settings"] == resources for step in kept.values())
    steps = client.steps(done.zenml_run_id)
    assert [step.status for step in steps if step.name in ("train", "evaluate")] == [
        "completed",
        "retried",
        "failed",
    ]
    models = client.call("GET", "/models", project=tenant.project_id)["items"]
    assert [model["name"] for model in models] == ["leaver"]


def test_a_taken_name_fails_and_leaves_no_snapshot(template, here):
    tenant, people = here
    client = connect(people["dev"], tenant)
    before = client.pages("/pipeline_snapshots", 1, 1, project=tenant.project_id).total
    taken = client.run(template.source_run_id).name
    with agent():
        done = ended(queue_run(template=template, configuration={"run_name": taken}, by=Actor(people["dev"])))
    assert done.state == "failed"
    assert done.state_reason.startswith(f"A run named “{taken}” already exists.")
    assert client.pages("/pipeline_snapshots", 1, 1, project=tenant.project_id).total == before


def test_a_viewer_is_refused_by_the_tenant_itself(template, here):
    people = here[1]
    with agent():
        done = ended(queue_run(template=template, configuration={}, by=Actor(people["viewer"])))
    assert done.state == "failed"
    assert "not" in done.state_reason
    assert done.zenml_run_id is None


def test_a_killed_runner_ends_as_failed_everywhere(template, here):
    tenant, people = here
    with agent():
        run = queue_run(template=template, configuration=SLOW, by=Actor(people["dev"]))
        running = in_state(run, "running")
        eventually(lambda: "Training" in "".join(runner.chosen().output(run.pk)))
        began = time.monotonic()
        os.kill(running.pid, signal.SIGKILL)
        done = ended(run)
        print(f"\nkilled to failed: {time.monotonic() - began:.2f} s")
    assert (done.state, done.state_reason) == ("failed", "The process of the run was killed (signal 9).")
    client = connect(people["dev"], tenant)
    seen = client.run(done.zenml_run_id)
    assert (seen.status, seen.reason) == ("failed", done.state_reason)
    assert {step.status for step in client.steps(done.zenml_run_id)} == {"completed", "failed"}


def test_a_cancelled_run_is_stopped_everywhere(template, here):
    tenant, people = here
    with agent():
        run = queue_run(template=template, configuration=SLOW, by=Actor(people["dev"]))
        in_state(run, "running")
        eventually(lambda: "Training" in "".join(runner.chosen().output(run.pk)))
        began = time.monotonic()
        cancel_run(run=run, by=Actor(people["ada"]))
        done = ended(run)
        print(f"\ncancelled to stopped: {time.monotonic() - began:.2f} s")
    assert done.state == "stopped", (done.state_reason, runner.chosen().output(run.pk))
    seen = connect(people["dev"], tenant).run(done.zenml_run_id)
    assert (seen.status, seen.reason) == ("stopped", f"Stopped by {people['ada']}.")


def test_the_run_of_a_removed_member_is_stopped_everywhere(template, here):
    tenant, people = here
    with agent():
        run = queue_run(template=template, configuration=SLOW, by=Actor(people["dev"]))
        running = in_state(run, "running")
        eventually(lambda: "Training" in "".join(runner.chosen().output(run.pk)))
        remove_member(membership=people["dev"].membership, by=Actor(people["ada"]))
        assert Cuts()() == 1
        done = ended(run)
    reason = f"Stopped: {people['dev']} no longer has access to real."
    assert (done.state, done.state_reason) == ("stopped", reason)
    assert not marked_processes.alive(running.pid, running.pid_started)
    client = connect(people["ada"], tenant)
    seen = client.run(done.zenml_run_id)
    assert (seen.status, seen.reason, seen.finished) == ("stopped", done.state_reason, True)
    assert {step.status for step in client.steps(done.zenml_run_id)} <= {"completed", "stopped", "failed"}


def test_a_run_is_adopted_by_the_next_agent_and_by_one_without_its_pid(template, here):
    tenant, people = here
    with agent():
        run = queue_run(template=template, configuration=SLOW, by=Actor(people["dev"]))
        first = in_state(run, "running")
    TemplateRun.objects.filter(pk=run.pk).update(pid=None, pid_started="", state="starting")
    with agent():
        done = ended(run)
    assert (done.state, done.pid) == ("completed", first.pid), done.state_reason
    assert connect(people["dev"], tenant).runs(tenant.project_id, name=done.run_name).total == 1


def test_what_a_killed_agent_made_is_found_again(template, here):
    tenant, people = here
    client = connect(people["dev"], tenant)
    run = queue_run(template=template, configuration={}, by=Actor(people["dev"]))
    derive(run, client)
    made = run.zenml_snapshot_id, run.zenml_run_id
    TemplateRun.objects.filter(pk=run.pk).update(zenml_snapshot_id=None, zenml_run_id=None)
    again = fresh(run)
    derive(again, client, again=True)
    assert (again.zenml_snapshot_id, again.zenml_run_id) == made


def test_a_broken_package_and_a_missing_module_say_so(template, here):
    people = here[1]
    template.requirements = "no-such-package-at-all-zenpro==9"
    template.save()
    with agent():
        run = queue_run(template=template, configuration={}, by=Actor(people["dev"]))
        done = ended(run)
    assert done.state == "failed"
    assert "no-such-package-at-all-zenpro" in done.state_reason


def test_a_try_imports_the_steps_with_the_packages_of_a_run(template, here):
    by, layout = Actor(here[1]["dev"]), {"roots": [""], "starts_in": ""}
    facts = {"code": template.code, "snapshot": template.snapshot, "requirements": "", "recorded": []}
    one = begin_try(**facts, **layout, by=by)
    TryLoop().take(one.pk)
    one.refresh_from_db()
    assert {each["name"] for each in one.results} == set(template.default_configuration["steps"])
    assert [each for each in one.results if each["state"] != "imported"] == []


def test_the_packages_of_a_stack_are_those_that_zenml_itself_names(here, site):
    tenant, people = here
    client = connect(people["ada"], tenant)
    remote = {"name": "remote", "type": "artifact_store", "flavor": "s3"}
    store = client.call("POST", "/components", json={**remote, "configuration": {"path": "s3://bucket"}})
    local = client.call("GET", "/components", type="orchestrator")["items"][0]
    chosen = {"artifact_store": [store["id"]], "orchestrator": [local["id"]]}
    stack = client.call("POST", "/stacks", json={"name": "remote", "components": chosen})
    names = integrations_at(client, stack["id"])
    assert names == ["s3"]
    python = Environments(site.data).python(site.version)
    words = "from zenml.integrations.s3 import S3Integration as S3; print('\\n'.join(S3.get_requirements()))"
    env = {
        "PATH": os.defpath,
        "ZENML_CONFIG_PATH": str(site.data / "scratch"),
        "ZENML_ANALYTICS_OPT_IN": "false",
    }
    said = subprocess.run(
        [python, "-c", words], env=env, check=True, capture_output=True, text=True, timeout=600
    )
    assert "boto3" in said.stdout
    assert packages_of(site.version, names) == IntegrationPackages(together(said.stdout.splitlines()), [])


def test_a_re_run_is_compared_with_the_run_its_template_was_made_from(template, here):
    """What a real server says of two runs of which one has another parameter, and therefore another metric."""
    tenant, people = here
    with agent():
        asked = {"steps": {"train": {"parameters": {"rounds": 3}}}}
        done = ended(queue_run(template=template, configuration=asked, by=Actor(people["dev"])))
    client = connect(people["dev"], tenant)
    read = read_runs(client, [template.source_run_id, done.zenml_run_id])
    assert read.gaps == []
    made = compare(read.found)
    groups = {group.key: {(row.step, row.name): row for row in group.rows} for group in made.groups}
    differing = [place for place, row in groups["parameters"].items() if row.differs]
    assert differing == [("train", "rounds")]
    assert [cell.text for cell in groups["parameters"]["train", "rounds"].cells] == ["120", "3"]
    auc = groups["metrics"]["train", "training_auc"]
    assert (auc.differs, auc.direction) == (True, "higher")
    assert [cell.best for cell in auc.cells].count(True) == 1
    model = groups["artifacts"]["train", "model"]
    assert model.differs
    assert "version " in model.cells[0].text
    assert "version " in groups["artifacts"]["load_customers", "customers"].cells[1].text
    assert groups["steps"]["", "whole run"].cells[1].value.status == "completed"
    assert made.warnings == ()
    assert previous(client, done.zenml_run_id) is not None
    assert groups["metadata"]["load_customers", "customers.length"].cells[0].text == "1200"  # of the artifact
    assert {run.pipeline for run in read.others} == {"churn"}


def test_the_commit_of_a_run_is_found_with_its_repository(template, here):
    """Where ZenML's answers have it: in the run which repository and commit, in the repository where it is."""
    client, project = connect(here[1]["ada"], here[0]), str(template.project_id)
    source = {"module": "repositories", "attribute": "Git", "type": "unknown"}
    facts = {"name": "churn", "project": project, "source": source}
    config = {"url": "https://example.org/churn.git", "token": "s3cret"}
    repository = client.call("POST", "/code_repositories", json={**facts, "config": config})
    reference = {"commit": "0123456789" * 4, "subdirectory": "", "code_repository": repository["id"]}
    body = snapshot_body(template, template.default_configuration)
    snapshot = client.create_snapshot({**body, "source_snapshot": None, "code_reference": reference})
    asked = {"name": "of-a-commit", "project": project, "snapshot": snapshot["id"], "status": "initializing"}
    made = client.create_run({**asked, "start_time": "2026-11-26T12:00:00"})
    client.update_run(made.id, {"status": "failed"})
    found = commit_of(client.run(made.id).code_reference, client)
    assert found == RunCommit("https://example.org/churn.git", reference["commit"])
