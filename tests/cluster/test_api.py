"""Requests: which kinds there are, objects made and changed, lists, watches, credentials, answers that do not come."""

import time

import httpx
import pytest
from lightkube import Client, KubeConfig, codecs
from lightkube.core.exceptions import ApiError
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Namespace, Pod, Secret

from . import running_cluster
from .asking import MERGE, ask, watching
from .images import Pretends
from .made import deployment, plain, pod

MAPS = "/api/v1/namespaces/default/configmaps"
TEAM = {"metadata": {"name": "team"}}


def settings(**data):
    return plain("ConfigMap", "settings", data=data)


def labelled(name, **labels):
    one = plain("ConfigMap", name)
    one["metadata"]["labels"] = labels
    return one


def test_it_tells_which_kinds_there_are(cluster):
    groups = {one["name"] for one in ask(cluster, "GET", "/apis")[1]["groups"]}
    core = {one["name"]: one for one in ask(cluster, "GET", "/api/v1")[1]["resources"]}
    assert {"apps", "batch", "networking.k8s.io", "coordination.k8s.io"} <= groups
    assert core["persistentvolumeclaims"]["shortNames"] == ["pvc"]
    assert (core["pods/log"]["verbs"], core["namespaces"]["namespaced"]) == (["get"], False)
    assert ask(cluster, "GET", "/version")[1]["gitVersion"] == "v1.34.0"
    assert ask(cluster, "GET", "/api")[1]["versions"] == ["v1"]


def test_an_object_is_made_read_replaced_and_deleted(cluster, kube):
    made = kube.create(codecs.from_dict(settings(a="1")))
    made.data = {"a": "2"}
    kube.replace(made)
    assert kube.get(ConfigMap, "settings").data == {"a": "2"}
    kube.delete(ConfigMap, "settings")
    with pytest.raises(ApiError) as refused:
        kube.get(ConfigMap, "settings")
    assert refused.value.status.reason == "NotFound"


def test_a_name_is_made_up_from_its_beginning(cluster):
    body = {"metadata": {"generateName": "run-"}}
    names = {ask(cluster, "POST", MAPS, body)[1]["metadata"]["name"] for _ in range(2)}
    assert len(names) == 2
    assert all(name.startswith("run-") and len(name) == 9 for name in names)


def test_plain_data_of_a_secret_is_sealed(cluster, kube):
    kube.create(codecs.from_dict(plain("Secret", "keys", stringData={"a": "b"})))
    assert (kube.get(Secret, "keys").data, kube.get(Secret, "keys").type) == ({"a": "Yg=="}, "Opaque")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (MERGE, {"data": {"a": None, "b": "2"}}),
        ("application/strategic-merge-patch+json", {"data": {"a": None, "b": "2"}}),
        (
            "application/json-patch+json",
            [{"op": "remove", "path": "/data/a"}, {"op": "add", "path": "/data/b", "value": "2"}],
        ),
    ],
)
def test_patches_change_a_part(cluster, kind, body):
    cluster.create(settings(a="1", c="3"))
    assert ask(cluster, "PATCH", f"{MAPS}/settings", body, kind)[1]["data"] == {"b": "2", "c": "3"}


def test_a_patch_that_does_not_apply_changes_nothing(cluster):
    before = cluster.create(settings(a="1"))
    body = [{"op": "add", "path": "/data/b", "value": "2"}, {"op": "test", "path": "/data/a", "value": "9"}]
    assert ask(cluster, "PATCH", f"{MAPS}/settings", body, "application/json-patch+json")[0] == 400
    assert cluster.get("ConfigMap", "settings") == before


def test_what_is_only_tried_is_not_kept(cluster, kube):
    dry = Client(kube.config, dry_run=True, field_manager="zenpro")
    dry.apply(codecs.from_dict(settings(a="1")))
    cluster.create(settings(a="1"))
    assert dry.patch(ConfigMap, "settings", {"data": {"a": "2"}}).data == {"a": "2"}
    dry.delete(ConfigMap, "settings", dry_run=True)
    assert cluster.get("ConfigMap", "settings")["data"] == {"a": "1"}


def test_a_change_of_nothing_is_no_change(cluster, kube):
    before = cluster.create(settings(a="1"))
    kube.patch(ConfigMap, "settings", {"data": {"a": "1"}})
    assert cluster.get("ConfigMap", "settings") == before


def test_only_what_is_asked_for_makes_a_generation(cluster, kube):
    cluster.create(deployment(replicas=0))
    kube.patch(Deployment, "web", {"metadata": {"labels": {"more": "1"}}, "status": {"replicas": 9}})
    cluster.settle()
    one = cluster.get("Deployment", "web")
    assert (one["metadata"]["generation"], one["status"]["replicas"]) == (1, 0)
    kube.patch(Deployment, "web", {"spec": {"replicas": 1}})
    assert cluster.get("Deployment", "web")["metadata"]["generation"] == 2


def test_lists_choose_by_labels_and_fields(cluster, kube):
    for name, app in (("a", "web"), ("b", "web"), ("c", "db")):
        cluster.create(labelled(name, app=app))
    assert [one.metadata.name for one in kube.list(ConfigMap, labels={"app": "web"})] == ["a", "b"]
    assert [one.metadata.name for one in kube.list(ConfigMap, fields={"metadata.name": "c"})] == ["c"]
    assert [one.metadata.name for one in kube.list(ConfigMap, namespace="*", labels={"app": "db"})] == ["c"]


def test_items_of_a_list_do_not_repeat_its_kind(cluster):
    cluster.create(settings())
    found = ask(cluster, "GET", MAPS)[1]
    assert (found["kind"], "kind" in found["items"][0]) == ("ConfigMapList", False)


def test_a_watch_goes_on_where_a_list_ended(cluster):
    cluster.create(settings(a="1"))
    seen = ask(cluster, "GET", MAPS)[1]["metadata"]["resourceVersion"]
    with watching(cluster, MAPS, resourceVersion=seen) as news:
        cluster.change("ConfigMap", "settings", lambda obj: {**obj, "data": {"a": "2"}})
        cluster.delete("ConfigMap", "settings")
        told = [next(news) for _ in range(2)]
    assert [(what, obj["data"]["a"]) for what, obj in told] == [("MODIFIED", "2"), ("DELETED", "2")]


def test_a_watch_tells_first_what_is_there(cluster):
    cluster.create(settings(a="1"))
    with watching(cluster, MAPS) as news:
        assert next(news)[0] == "ADDED"


def test_what_leaves_a_selector_is_told_as_gone(cluster):
    cluster.create(labelled("a", app="web"))
    with watching(cluster, MAPS, labelSelector="app=web") as news:
        assert next(news)[0] == "ADDED"
        for app in ("db", "web"):
            cluster.change("ConfigMap", "a", lambda obj, app=app: relabelled(obj, app))
        assert [next(news)[0] for _ in range(2)] == ["DELETED", "ADDED"]


def relabelled(obj, app):
    return {**obj, "metadata": {**obj["metadata"], "labels": {"app": app}}}


def test_a_watch_ends_when_asked_to(cluster):
    with watching(cluster, MAPS, timeoutSeconds=0.1) as news:
        assert list(news) == []


def test_a_log_has_its_last_lines(cluster, kube):
    cluster.images["web:1"] = Pretends(says="one\ntwo\nthree\n")
    cluster.create(pod())
    cluster.until(lambda: cluster.get("Pod", "one")["status"]["phase"] == "Running")
    assert list(kube.log("one", tail_lines=2, newlines=False)) == ["two", "three"]
    assert list(kube.log("one", newlines=False)) == ["one", "two", "three"]


def test_a_log_is_followed_to_the_end_of_its_pod(cluster, kube):
    cluster.images["web:1"] = Pretends(says="one\n")
    cluster.create(pod(restartPolicy="Never"))
    cluster.until(lambda: cluster.get("Pod", "one")["status"]["phase"] == "Running")
    lines = kube.log("one", follow=True, newlines=False)
    assert next(lines) == "one"
    cluster.end_container("one", code=0)
    assert list(lines) == []


def test_deleting_all_leaves_what_was_not_chosen(cluster):
    for name, app in (("a", "web"), ("b", "db")):
        cluster.create(labelled(name, app=app))
    ask(cluster, "DELETE", MAPS, labelSelector="app=web")
    assert [one["metadata"]["name"] for one in cluster.list("ConfigMap", "default")] == ["b"]


def test_another_token_is_not_accepted(cluster, tmp_path):
    config = KubeConfig.from_file(cluster.kubeconfig(tmp_path / "other", token="wrong"))
    with pytest.raises(ApiError) as refused:
        Client(config).get(Pod, "one", namespace="default")
    assert refused.value.status.code == 401


def test_who_asks_is_told_what_they_may_do(cluster):
    cluster.faults.forbid("delete", "secrets")
    where = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

    def may(verb):
        asked = {"verb": verb, "resource": "secrets", "namespace": "default"}
        return ask(cluster, "POST", where, {"spec": {"resourceAttributes": asked}})[1]["status"]["allowed"]

    assert (may("get"), may("delete")) == (True, False)


def test_applying_something_new_needs_the_right_to_create(cluster, kube):
    cluster.faults.forbid("create", "configmaps")
    with pytest.raises(ApiError) as refused:
        kube.apply(codecs.from_dict(settings()))
    assert "cannot create resource" in refused.value.status.message
    cluster.faults.clear()
    kube.apply(codecs.from_dict(settings()))
    cluster.faults.forbid("create", "configmaps")
    kube.apply(codecs.from_dict(settings(a="1")))
    assert cluster.get("ConfigMap", "settings")["data"] == {"a": "1"}


def test_a_cluster_that_is_away_refuses_until_it_is_back(cluster):
    cluster.create(settings())
    cluster.refuse()
    with pytest.raises(httpx.ConnectError):
        ask(cluster, "GET", MAPS)
    cluster.listen()
    assert len(ask(cluster, "GET", MAPS)[1]["items"]) == 1


def test_a_cluster_that_hangs_answers_once_it_is_well(cluster):
    cluster.faults.hang()
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{cluster.url}/version", timeout=0.1)
    cluster.faults.clear()
    assert ask(cluster, "GET", "/version")[0] == 200


def test_answers_can_take_their_time(cluster):
    cluster.faults.seconds = 0.2
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{cluster.url}/version", timeout=0.05)
    assert ask(cluster, "GET", "/version")[0] == 200


def test_what_is_no_document_is_refused(cluster):
    headers = {"Authorization": f"Bearer {cluster.token}"}
    answers = [httpx.post(cluster.url + MAPS, content=body, headers=headers) for body in (b"{", b"k8s\0x")]
    assert [one.status_code for one in answers] == [400, 415]


def test_it_can_have_a_certificate_of_its_own(tmp_path):
    with running_cluster(tmp_path, tls=True) as cluster:
        kube = Client(KubeConfig.from_file(cluster.kubeconfig(tmp_path / "kubeconfig")))
        assert kube.get(Namespace, "default").status.phase == "Active"
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{cluster.url}/version")


def test_nobody_waits_for_a_cluster_that_ends(tmp_path):
    with running_cluster(tmp_path) as cluster:
        cluster.faults.hang()
        with httpx.Client(timeout=0.05) as client, pytest.raises(httpx.ReadTimeout):
            client.get(f"{cluster.url}/version")
        before = time.monotonic()
    assert time.monotonic() - before < 5


def test_a_pod_may_do_what_the_roles_of_its_account_say(cluster, tmp_path):
    """With the token that pods get."""
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "look"}}
    role["rules"] = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    binding = {**role, "kind": "RoleBinding", "metadata": {"name": "looks"}}
    del binding["rules"]
    binding["roleRef"] = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "look"}
    binding["subjects"] = [{"kind": "ServiceAccount", "namespace": "default", "name": "looker"}]
    cluster.create(role)
    cluster.create(binding)
    clients = {}
    for name in ("looker", "stranger"):
        config = cluster.kubeconfig(tmp_path / name, token=f"account:default:{name}")
        clients[name] = Client(KubeConfig.from_file(config))
    assert list(clients["looker"].list(Pod)) == []
    for name, asks in (
        ("looker", lambda one: one.get(Pod, "x")),
        ("stranger", lambda one: list(one.list(Pod))),
    ):
        with pytest.raises(ApiError, match=f"system:serviceaccount:default:{name}") as refused:
            asks(clients[name])
        assert refused.value.status.code == 403
