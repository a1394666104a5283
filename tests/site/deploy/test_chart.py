"""The Helm chart: what it renders is valid and restricted, says what our settings read, and gives the rights we need."""

import json
import os
import re
import subprocess
import sys
from copy import deepcopy

import helm_python
import kubernetes_validate
import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands

from tenants.hosting.kubernetes import rights
from tests.guards.walk import ROOT
from tests.tenants.hosting.kubernetes.test_objects import NEWEST, OLDEST

from .charts import (
    CHART,
    FOR_PAGES,
    FULL,
    LEAST,
    RUNS,
    SETS,
    TENANTS,
    chart,
    containers,
    notes,
    pods,
    rendered,
)
from .restricted import faults_of

every_set = pytest.mark.parametrize("values", SETS.values(), ids=list(SETS))


@every_set
def test_helm_finds_nothing_wrong(values):
    found = helm_python.lint(CHART, values, strict=True)
    assert found["errors"] == []
    assert {one["error"] for one in found["messages"]} <= {"icon is recommended"}


@every_set
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_knows_every_field(values, version):
    for one in rendered(values).values():
        kubernetes_validate.validate(one, version, strict=True)


@every_set
def test_every_pod_is_restricted(values):
    found = pods(rendered(values))
    assert found.keys() == {"web", "agent", "migrate"}
    assert {name: faults_of(pod) for name, pod in found.items()} == {name: [] for name in found}


LOOSE = {
    "hostNetwork": lambda pod: pod.update(hostNetwork=True),
    "volume data": lambda pod: pod["volumes"].insert(0, {"name": "data", "hostPath": {"path": "/"}}),
    "web: privileged": lambda pod: of_web(pod).update(privileged=True),
    "web: allowPrivilegeEscalation": lambda pod: of_web(pod).pop("allowPrivilegeEscalation"),
    "web: capabilities": lambda pod: of_web(pod)["capabilities"].update(add=["NET_ADMIN"]),
    "web: readOnlyRootFilesystem": lambda pod: of_web(pod).pop("readOnlyRootFilesystem"),
    "web: seccompProfile": lambda pod: of_web(pod).update(seccompProfile={"type": "Unconfined"}),
    "web: runAsNonRoot": lambda pod: of_web(pod).update(runAsNonRoot=False),
    "web: hostPort": lambda pod: pod["containers"][0]["ports"][0].update(hostPort=80),
}


def of_web(pod: dict) -> dict:
    return pod["containers"][0]["securityContext"]


@pytest.mark.parametrize("fault", LOOSE)
def test_a_pod_that_is_not_restricted_is_found(fault):
    pod = deepcopy(pods(rendered(LEAST))["web"])
    LOOSE[fault](pod)
    assert faults_of(pod) == [fault]


@every_set
def test_every_object_says_what_it_is_part_of(values):
    for (kind, name), one in rendered(values).items():
        labels = one["metadata"]["labels"]
        assert (
            labels["app.kubernetes.io/name"] == "zenpro" and labels["app.kubernetes.io/instance"] == "zenpro"
        )
        there = RUNS if name == "zenpro-runs" else TENANTS
        expected = {"Namespace": None, "Role": there, "RoleBinding": there}.get(kind, "zenpro")
        assert one["metadata"].get("namespace") == expected


@pytest.mark.parametrize(
    ("release", "web"),
    [("zenpro", "zenpro-web"), ("prod", "prod-zenpro-web"), ("my-zenpro-2", "my-zenpro-2-web")],
)
def test_names_follow_the_release(release, web):
    found = rendered(LEAST, name=release)
    assert ("Deployment", web) in found
    long = rendered(LEAST, name="a" * 53)
    assert max(len(name) for _, name in long) <= 63


def test_selectors_find_the_pods_and_nothing_that_changes_with_a_version():
    made = rendered(LEAST)
    for component in ("web", "agent"):
        one = made["Deployment", f"zenpro-{component}"]["spec"]
        assert one["selector"]["matchLabels"] == one["template"]["metadata"]["labels"]
    service = made["Service", "zenpro-web"]["spec"]["selector"]
    assert service == made["PodDisruptionBudget", "zenpro-web"]["spec"]["selector"]["matchLabels"]
    assert service == made["Deployment", "zenpro-web"]["spec"]["selector"]["matchLabels"]


# -- values

REFUSED = {
    "no url": ({"url": ""}, "at '/url'"),
    "no keys": ({"keys": {}}, "at '/keys': missing property 'existingSecret'"),
    "no database": ({"database": {}}, "at '/database': missing property 'existingSecret'"),
    "no address for tenants": ({"tenants": {}}, "at '/tenants': missing property 'url'"),
    "a path in the url": ({"url": "https://example.org/zenpro"}, "at '/url'"),
    "no wildcard": ({"tenants": {"url": "https://zenml.example.org"}}, "at '/tenants/url'"),
    "a typing error": ({"replica": 2}, "additional properties 'replica' not allowed"),
    "a typing error below": ({"web": {"replica": 2}}, "additional properties 'replica' not allowed"),
    "a password": ({"database": {"url": "postgres://a:b@c/d"}}, "additional properties 'url' not allowed"),
    "set twice": ({"settings": {"ZENPRO_URL": "https://a.org"}}, "invalid propertyName 'ZENPRO_URL'"),
    "a secret as a setting": ({"settings": {"DATABASE_URL": "x"}}, "invalid propertyName 'DATABASE_URL'"),
    "walls that can't stand": ({"agent": {"isolation": "bubblewrap"}}, "at '/agent/isolation'"),
    "half a provider": ({"oidc": {"issuer": "https://id.example.org"}}, "at '/oidc/existingSecret'"),
    "an api in clear": ({"apiUrl": "http://api.example.org"}, "at '/apiUrl'"),
    "no pods": ({"web": {"replicas": 0}}, "at '/web/replicas'"),
    "the web with the agent's rights": (
        {"tenants": LEAST["tenants"] | {"kubeconfig": {"existingSecret": "there"}}},
        "at '/tenants/kubeconfig/webSecret'",
    ),
    "a caller that is no namespace": (
        {"tenants": LEAST["tenants"] | {"callers": ["a.b"]}},
        "at '/tenants/callers/0'",
    ),
    "an image with its tag": (
        {"tenants": LEAST["tenants"] | {"image": "registry.example.org:5000/zenml:0.98.0"}},
        "at '/tenants/image'",
    ),
    "an image of runs with its tag": ({"runs": {"image": "zenml:0.98.0"}}, "at '/runs/image'"),
}


@pytest.mark.parametrize("row", REFUSED)
def test_values_that_cannot_work_are_refused(row):
    changes, words = REFUSED[row]
    with pytest.raises(helm_python.HelmValuesError) as refused:
        rendered(LEAST | changes)
    assert words in str(refused.value)


@pytest.mark.parametrize("namespace", [TENANTS, "zenpro"])
def test_runs_live_apart_from_tenants_and_from_zenpro(namespace):
    values = LEAST | {"runs": {"asJobs": True, "namespace": namespace}}
    with pytest.raises(helm_python.HelmError, match="must be a namespace of its own"):
        rendered(values)


def test_an_image_in_a_registry_with_a_port_has_no_tag():
    image = "registry.example.org:5000/zenml"
    values = LEAST | {"tenants": LEAST["tenants"] | {"image": image}}
    assert variables(values)["ZENPRO_KUBERNETES_IMAGE"]["value"] == image


def test_without_values_everything_that_is_missing_is_named():
    with pytest.raises(helm_python.HelmValuesError) as refused:
        rendered({})
    for line in (
        "at '': missing property 'url'",
        "at '/tenants': missing property 'url'",
        "at '/database': missing property 'existingSecret'",
        "at '/keys': missing property 'existingSecret'",
    ):
        assert line in str(refused.value)


def leaves(values: dict, schema: dict, path: str = ""):
    """(path, its schema, its default) of every value."""
    for name, one in schema["properties"].items():
        here = f"{path}{name}"
        if one.get("properties") and not here.endswith("resources"):
            yield from leaves(values.get(name) or {}, one, f"{here}.")
        elif name != "global":
            yield here, one, values.get(name)


def table() -> str:
    rows = []
    for path, one, default in leaves(chart().values, chart().schema):
        shown = "" if default in (None, "") else f"`{json.dumps(default)}`"
        rows.append(f"| `{path}` | {shown} | {one['description']} |")
    return "\n".join(["| value | default | meaning |", "|---|---|---|", *rows])


def test_the_table_of_values_is_that_of_the_chart():
    """To write it anew: python -m tests.site.deploy.test_chart"""
    assert table() in (ROOT / "deploy" / "README.md").read_text()


def test_the_schema_describes_every_value_and_each_has_its_default():
    known = {path for path, _, _ in leaves(chart().values, chart().schema)}
    needed = {"url", "keys.existingSecret", "database.existingSecret", "tenants.url"}
    assert {path for path, _, default in leaves(chart().values, chart().schema) if default is None} == needed
    assert known > needed and all(one["description"] for _, one, _ in leaves({}, chart().schema))


# -- settings

OF_THE_STORE = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
# What settings ask for, in a process whose environment takes notes.
READ = """
import os, json
asked = set()
class Noting(dict):
    def __getitem__(self, name): asked.add(name); return super().__getitem__(name)
    def get(self, name, default=None): asked.add(name); return super().get(name, default)
    def __contains__(self, name): asked.add(name); return super().__contains__(name)
os.environ = Noting(os.environ)
import zenpro_site.settings
print(json.dumps(sorted(asked)))
"""
SEALING = "dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q="
SECRETS = {
    "ZENPRO_SECRET_KEY": "k" * 50,
    "ZENPRO_SECRET_KEYS": SEALING,
    "DATABASE_URL": "postgres://zenpro@database/zenpro",
    "EMAIL_URL": "smtp://mail.example.org:25",
    "ZENPRO_OIDC_CLIENT_SECRET": "secret",
    "ZENPRO_KUBERNETES_DATABASE": "mysql://zenpro:secret@mysql.example.org/",
}


def variables(values: dict, component: str = "agent") -> dict[str, dict]:
    found = containers(pods(rendered(values))[component])
    assert all(one["env"] == found[0]["env"] for one in found)
    names = [one["name"] for one in found[0]["env"]]
    assert len(names) == len(set(names))
    return {one["name"]: one for one in found[0]["env"]}


def said(values: dict) -> dict[str, str]:
    """As a container has it, with the values of our Secrets."""
    return {name: one.get("value") or SECRETS.get(name, "x") for name, one in variables(values).items()}


def process_env(values: dict, tmp_path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ZENPRO", "DJANGO", "DATABASE"))
    }
    return kept | said(values) | {"ZENPRO_DATA": str(tmp_path), "PYTHONPATH": str(ROOT)}


@every_set
def test_settings_read_every_variable_that_the_chart_sets(values, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", READ],
        env=process_env(values, tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    asked = set(json.loads(done.stdout.splitlines()[-1]))
    assert variables(values).keys() - asked - {"HTTPS_PROXY"} == set()


def test_settings_arrive_as_they_are_written_also_nothing_and_large_numbers():
    values = {
        "ZENPRO_KEPT_DAYS": 0,
        "ZENPRO_OPEN_SIGNUP": False,
        "ZENPRO_RUN_FILE_MB": 2_000_000,
        "ZENPRO_RUN_CPUS": 0.5,
    }
    (web,) = rendered(LEAST | {"settings": values})["Deployment", "zenpro-web"]["spec"]["template"]["spec"][
        "containers"
    ]
    set_to = {one["name"]: one.get("value") for one in web["env"]}
    assert {name: set_to[name] for name in values} == dict(
        zip(values, ["0", "false", "2000000", "0.5"], strict=True)
    )


def test_settings_that_the_chart_sets_can_not_be_set_twice():
    all_of_them = {name for values in SETS.values() for name in variables(values)}
    own = {name for name in all_of_them if name.startswith("ZENPRO_")} - FULL["settings"].keys()
    assert set(chart().schema["properties"]["settings"]["propertyNames"]["not"]["enum"]) == own


def test_secrets_come_from_secrets():
    found = variables(FULL)
    from_secrets = {name for name, one in found.items() if "valueFrom" in one}
    assert from_secrets == SECRETS.keys() | OF_THE_STORE
    assert found["DATABASE_URL"]["valueFrom"] == {"secretKeyRef": {"name": "pg-app", "key": "uri"}}
    assert not [one for one in rendered(FULL).values() if one["kind"] == "Secret"]


def test_zenpro_itself_can_call_tenants_where_only_some_may():
    assert said(FULL)["ZENPRO_KUBERNETES_CALLERS"] == "ingress-nginx,zenpro"
    assert "ZENPRO_KUBERNETES_CALLERS" not in variables(LEAST)


def test_the_data_folder_is_below_the_volume():
    """ZenPro closes its folder to others, and a volume's own belongs to root."""
    for pod in pods(rendered(LEAST)).values():
        for one in containers(pod):
            mounts = {mount["name"]: mount["mountPath"] for mount in one["volumeMounts"]}
            assert said(LEAST)["ZENPRO_DATA"] == f"{mounts['data']}/data" and mounts["tmp"] == "/tmp"


# -- programs


def test_containers_and_notes_name_commands_that_there_are():
    named = {one["args"][0] for pod in pods(rendered(LEAST)).values() for one in containers(pod)}
    told = set(re.findall(r"-- zenpro (\w+)", notes(LEAST)))
    assert named == {"serve", "agent", "migrate"} and told == {"sign_in_link", "doctor"}
    assert named | told <= get_commands().keys()


def test_pods_wait_for_a_job_that_only_another_installation_replaces():
    def job(values):
        (found,) = [one for one in rendered(values).values() if one["kind"] == "Job"]
        return found["metadata"]["name"]

    assert job(LEAST) == job(LEAST | {"web": {"replicas": 5}}) != job(LEAST | {"image": {"tag": "2"}})
    for component in ("web", "agent"):
        (first,) = pods(rendered(LEAST))[component]["initContainers"]
        assert first["args"] == ["migrate", "--wait", "600"]


def test_a_web_pod_is_asked_by_a_name_it_knows_and_ends_after_its_requests():
    pod = pods(rendered(LEAST))["web"]
    (web,) = pod["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        (header,) = web[probe]["httpGet"]["httpHeaders"]
        assert header["name"] == "Host" and header["value"] in settings.ALLOWED_HOSTS
    assert web["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert pod["terminationGracePeriodSeconds"] > 5 + 20 and web["lifecycle"]["preStop"]["exec"][
        "command"
    ] == ["sleep", "5"]
    assert (
        rendered(LEAST)["Deployment", "zenpro-web"]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"]
        == 0
    )


def test_the_image_has_what_the_pods_are_told():
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    user = pods(rendered(LEAST))["web"]["securityContext"]["runAsUser"]
    assert f"USER {user}:{user}" in text and 'ENTRYPOINT ["zenpro"]' in text and "zenpro static_files" in text
    assert "-c constraints.txt" in text


def test_the_script_for_trying_it_out_can_be_read_by_bash_and_says_what_it_is():
    script = ROOT / "deploy" / "try-on-kind"
    subprocess.run(["bash", "-n", script], check=True)
    assert os.access(script, os.X_OK) and "has not been run by us" in script.read_text()
    given = re.search(r"<<VALUES\n(.*?)\nVALUES", script.read_text(), re.DOTALL)[1]
    text = given.replace("${image%:*}", "zenpro").replace("${image#*:}", "try").replace("$port", "8080")
    found = rendered(yaml.safe_load(text.replace("$namespace", "zenpro")))
    assert ("Service", "zenpro-web") in found and ("Ingress", "zenpro-web") not in found


# -- rights


def rules_of(role: dict) -> set[tuple[str, str, str]]:
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


OF_THE_AGENT = {(one.group, one.name, one.verb) for one in rights.needed()}


@pytest.mark.parametrize(("who", "needed"), [("agent", OF_THE_AGENT), ("web", FOR_PAGES)])
def test_each_account_may_do_what_it_does_and_no_more(who, needed):
    made = rendered(LEAST)
    assert rules_of(made["Role", f"zenpro-{who}"]) == needed
    binding = made["RoleBinding", f"zenpro-{who}"]
    assert binding["roleRef"]["name"] == f"zenpro-{who}"
    account = {"kind": "ServiceAccount", "name": f"zenpro-{who}", "namespace": "zenpro"}
    assert binding["subjects"] == [account]
    assert pods(made)[who]["serviceAccountName"] == f"zenpro-{who}"


def test_the_agent_may_do_what_it_does_where_runs_are_jobs():
    made = rendered(FULL)
    needed = {(one.group, one.name, one.verb) for one in rights.needed_for_runs()}
    assert rules_of(made["Role", "zenpro-runs"]) == needed
    (account,) = made["RoleBinding", "zenpro-runs"]["subjects"]
    assert account == {"kind": "ServiceAccount", "name": "zenpro-agent", "namespace": "zenpro"}
    labels = made["Namespace", RUNS]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert ("Role", "zenpro-runs") not in rendered(LEAST) and ("Namespace", RUNS) not in rendered(LEAST)


def test_only_pods_that_call_the_cluster_have_a_token():
    here, there = pods(rendered(LEAST)), pods(rendered(SETS["another cluster"]))
    assert {name: pod["automountServiceAccountToken"] for name, pod in here.items()} == {
        "web": True,
        "agent": True,
        "migrate": False,
    }
    assert not any(pod["automountServiceAccountToken"] for pod in there.values())
    kinds = {kind for kind, _ in rendered(SETS["another cluster"])}
    assert not kinds & {"Role", "RoleBinding", "Namespace", "NetworkPolicy", "Ingress"}


def secrets_mounted(pod: dict) -> dict[str, dict[str, str]]:
    """{container: {Secret: where its files are}}."""
    of = {one["name"]: one["secret"]["secretName"] for one in pod["volumes"] if "secret" in one}
    return {
        container["name"]: {
            of[one["name"]]: one["mountPath"] for one in container["volumeMounts"] if one["name"] in of
        }
        for container in containers(pod)
    }


def test_each_program_gets_its_own_way_into_another_cluster():
    found = pods(rendered(SETS["another cluster"]))
    assert secrets_mounted(found["web"]) == {"wait-for-migrations": {}, "web": {"reads": "/kubeconfig"}}
    assert secrets_mounted(found["agent"]) == {"wait-for-migrations": {}, "agent": {"there": "/kubeconfig"}}
    assert secrets_mounted(found["migrate"]) == {"migrate": {}}


def test_files_of_a_secret_are_in_every_pod():
    found = pods(rendered(FULL))
    seen = [mounted for pod in found.values() for mounted in secrets_mounted(pod).values()]
    assert seen == [{"certificates": "/files"}] * 5


def test_the_namespace_of_tenants_is_restricted_and_stays():
    metadata = rendered(LEAST)["Namespace", TENANTS]["metadata"]
    assert metadata["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert metadata["annotations"]["helm.sh/resource-policy"] == "keep"
    assert ("Namespace", "zenpro") not in rendered(
        LEAST | {"tenants": LEAST["tenants"] | {"namespace": "zenpro"}}
    )


# -- network


def test_nothing_calls_zenpro_but_the_web_from_where_it_may():
    made = rendered(FULL)
    deny, web = made["NetworkPolicy", "zenpro-deny"]["spec"], made["NetworkPolicy", "zenpro-web"]["spec"]
    assert deny == {"podSelector": deny["podSelector"], "policyTypes": ["Ingress", "Egress"]}
    for pod in ("web", "agent"):
        labels = made["Deployment", f"zenpro-{pod}"]["spec"]["template"]["metadata"]["labels"]
        assert deny["podSelector"]["matchLabels"].items() <= labels.items()
    assert web["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "web"
    (rule,) = web["ingress"]
    (namespaces,) = rule["from"][0]["namespaceSelector"]["matchExpressions"]
    assert namespaces["values"] == ["ingress-nginx", TENANTS, RUNS] and rule["ports"] == [
        {"port": "http", "protocol": "TCP"}
    ]


def test_zenpro_calls_everything_but_the_nodes_credentials_or_what_was_said():
    rules = rendered(LEAST)["NetworkPolicy", "zenpro-calls"]["spec"]["egress"]
    assert [one["ipBlock"]["except"] for one in rules[1]["to"][1:]] == [
        ["169.254.169.254/32"],
        ["fd00:ec2::254/128"],
    ]
    rules = rendered(FULL)["NetworkPolicy", "zenpro-calls"]["spec"]["egress"]
    assert rules[1:] == FULL["networkPolicies"]["egress"] and {one["port"] for one in rules[0]["ports"]} == {
        53
    }


def test_the_ingress_has_the_host_of_the_address():
    spec = rendered(FULL)["Ingress", "zenpro-web"]["spec"]
    assert spec["rules"][0]["host"] == "zenpro.example.org" and spec["ingressClassName"] == "nginx"
    assert spec["tls"] == [{"hosts": ["zenpro.example.org"], "secretName": "cert"}]
    assert "tls" not in rendered(LEAST | {"url": "http://zenpro.localhost"})["Ingress", "zenpro-web"]["spec"]


if __name__ == "__main__":
    print(table())
