"""Calls to a cluster: what is sent, and the sentence for each way in which no answer comes back."""

import socket
from contextlib import closing

import pytest

from tenants.hosting.base import SupervisorGone
from tenants.hosting.kubernetes.cluster import UNREADABLE, Cluster, ClusterRefused, sentence_of
from tenants.hosting.kubernetes.kinds import Claim, Deployment, Job, Pod
from tenants.hosting.kubernetes.naming import TENANT
from tenants.hosting.kubernetes.objects import service

from .answering import ApiStandIn, api_stand_in, refusal, send
from .made import NAME, PLACE, SPEC, TENANT_ID, deployment

DEPLOYMENTS = "/apis/apps/v1/namespaces/zenpro-tenants/deployments"
PODS = "/api/v1/namespaces/zenpro-tenants/pods"


@pytest.fixture(scope="module")
def server():
    with api_stand_in() as found:
        yield found


@pytest.fixture(scope="module")
def cluster(server, tmp_path_factory):
    return Cluster(server.kubeconfig(tmp_path_factory.mktemp("cluster")), "zenpro-tenants")


@pytest.fixture
def api(server):
    server.answers, server.asked = {}, []
    return server


def test_an_object_arrives_as_it_was_sent(api, cluster):
    strange = deployment() | {"unknown": {"to": ["any", "model"]}}
    api.answers[f"GET {DEPLOYMENTS}/{NAME}"] = (200, strange)
    assert cluster.get(Deployment, NAME) == strange
    assert api.asked[0][3]["authorization"] == "Bearer a-token"
    assert cluster.get(Claim, NAME) is None


def test_a_list_is_read_to_its_end_and_chosen_by_labels(api, cluster):
    first = {"metadata": {"continue": "more"}, "items": [{"a": 1}]}
    last = {"metadata": {}, "items": [{"a": 2}]}
    api.answers[f"GET {PODS}"] = lambda handler: send(
        handler, 200, last if "continue=more" in handler.path else first
    )
    found = cluster.list(Pod, {TENANT: str(TENANT_ID), "zenpro.io/other": None})
    assert found == [{"a": 1}, {"a": 2}]
    assert api.asked[0][1]["labelSelector"] == f"{TENANT}={TENANT_ID},zenpro.io/other"


def test_an_object_is_applied_by_its_kind_and_name(api, cluster):
    call = f"PATCH /api/v1/namespaces/zenpro-tenants/services/{NAME}"
    api.answers[call] = (200, {})
    cluster.apply(service(SPEC, PLACE))
    (asked,) = api.asked
    assert asked[0] == call and asked[1] == {"force": "true", "fieldManager": "zenpro"}
    assert asked[2] == service(SPEC, PLACE)
    assert asked[3]["content-type"] == "application/apply-patch+yaml"


def test_a_patch_changes_only_what_it_names(api, cluster):
    api.answers[f"PATCH {DEPLOYMENTS}/{NAME}"] = (200, {})
    cluster.patch(Deployment, NAME, {"spec": {"replicas": 0}})
    assert api.asked[0][2] == {"spec": {"replicas": 0}}
    assert api.asked[0][3]["content-type"] == "application/merge-patch+json"


def test_what_is_deleted_takes_its_pods_along_and_may_be_gone_already(api, cluster):
    api.answers["DELETE /apis/batch/v1/namespaces/zenpro-tenants/jobs/one"] = (200, {})
    cluster.delete(Job, "one")
    cluster.delete(Job, "another")
    assert [call[1] for call in api.asked] == [{"propagationPolicy": "Background"}] * 2


def test_a_log_is_read_from_its_end_also_of_the_container_before(api, cluster):
    api.answers[f"GET {PODS}/one/log"] = lambda handler: send(
        handler, 200, b"first\nlast \xff\n", "text/plain"
    )
    assert cluster.log("one", 1, previous=True) == ["last \N{REPLACEMENT CHARACTER}"]
    asked = api.asked[0][1]
    assert (asked["tailLines"], asked["previous"], asked["limitBytes"]) == ("1", "true", "262144")


QUOTA = "exceeded quota: team, requested: secrets=1, used: secrets=9, limited: secrets=9"
DENIED = 'admission webhook "images.example.org" denied the request: only our own images'
WORDS = {
    "credentials": (401, "Unauthorized", "The cluster does not accept ZenPro's credentials."),
    "quota": (
        403,
        f'secrets "{NAME}" is forbidden: {QUOTA}',
        "The quota of the namespace is used up: " + QUOTA.removeprefix("exceeded quota: "),
    ),
    "rights": (
        403,
        'secrets is forbidden: User "zenpro" cannot create resource "secrets"',
        'ZenPro may not do this in the cluster: secrets is forbidden: User "zenpro" cannot create resource "secrets"',
    ),
    "a rule": (
        403,
        DENIED,
        "A rule of the cluster refused it: images.example.org: only our own images",
    ),
    "a rule without a right": (
        400,
        DENIED,
        "A rule of the cluster refused it: images.example.org: only our own images",
    ),
    "terminating": (
        403,
        "unable to create new content in namespace zenpro-tenants because it is being terminated",
        "The namespace is being deleted; ZenPro waits until it is gone.",
    ),
    "no namespace": (404, 'namespaces "x" not found', 'namespaces "x" not found'),
    "not valid": (422, "spec.selector: field is immutable", "spec.selector: field is immutable"),
    "no words": (418, "", "The cluster answered with status 418."),
}


@pytest.mark.parametrize("row", WORDS)
def test_what_a_cluster_refuses(api, cluster, row):
    code, message, sentence = WORDS[row]
    api.answers[f"PATCH {DEPLOYMENTS}/{NAME}"] = (code, refusal(code, message))
    with pytest.raises(ClusterRefused) as caught:
        cluster.patch(Deployment, NAME, {})
    assert (caught.value.reason, caught.value.status) == (sentence, code)
    assert not isinstance(caught.value, SupervisorGone)


@pytest.mark.parametrize(("code", "message"), [(500, "etcd is slow"), (503, "starting"), (429, "too many")])
def test_a_cluster_with_trouble_of_its_own_is_asked_again(api, cluster, code, message):
    api.answers[f"GET {DEPLOYMENTS}/{NAME}"] = (code, refusal(code, message))
    with pytest.raises(SupervisorGone, match=message):
        cluster.get(Deployment, NAME)


def test_a_refusal_without_a_status_object(api, cluster):
    api.answers[f"GET {DEPLOYMENTS}/{NAME}"] = lambda handler: send(handler, 502, b"bad gateway", "text/html")
    with pytest.raises(SupervisorGone, match="status 502"):
        cluster.get(Deployment, NAME)


NONSENSE = [b"", b"<html>", b"[]", b"7", b"\xff\xfe", b"[" * 5000, b'{"metadata": 7, "items": 7}']


@pytest.mark.parametrize("body", NONSENSE, ids=lambda body: repr(body[:8]))
@pytest.mark.parametrize("status", [200, 403])
def test_nonsense_is_no_answer(api, cluster, body, status):
    for call in (f"GET {DEPLOYMENTS}/{NAME}", f"GET {PODS}", f"PATCH {DEPLOYMENTS}/{NAME}"):
        api.answers[call] = lambda handler: send(handler, status, body)
    for ask in (
        lambda: cluster.get(Deployment, NAME),
        lambda: cluster.list(Pod, {}),
        lambda: cluster.patch(Deployment, NAME, {}),
    ):
        try:
            assert ask() in (None, {}, [], {"metadata": 7, "items": 7})
        except (SupervisorGone, ClusterRefused) as error:
            assert error.reason.isprintable()


def test_an_answer_that_is_too_large(api, cluster, monkeypatch):
    monkeypatch.setattr(cluster.client._client._client._transport, "limit", 100)
    api.answers[f"GET {DEPLOYMENTS}/{NAME}"] = (200, {"a": "b" * 200})
    with pytest.raises(SupervisorGone, match=UNREADABLE):
        cluster.get(Deployment, NAME)


def test_no_cluster_at_that_address(tmp_path):
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    stand_in = ApiStandIn(f"http://127.0.0.1:{port}")
    with pytest.raises(SupervisorGone, match="The cluster does not answer: .*refused"):
        Cluster(stand_in.kubeconfig(tmp_path), "zenpro-tenants").get(Pod, "one")


@pytest.mark.parametrize("content", [None, "", "[", "7", "clusters: 7", "current-context: gone"])
def test_a_file_that_leads_nowhere(tmp_path, content):
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SupervisorGone):
        Cluster(str(path), "zenpro-tenants").get(Pod, "one")


def test_one_context_of_several_is_chosen(api, tmp_path):
    config = api.kubeconfig(tmp_path)
    assert Cluster(config, "a", "there").get(Pod, "one") is None
    with pytest.raises(SupervisorGone, match="Context 'elsewhere' not found"):
        Cluster(config, "a", "elsewhere").get(Pod, "one")


def test_without_a_service_account_there_is_no_cluster_inside():
    with pytest.raises(SupervisorGone, match="ZenPro cannot find the cluster"):
        Cluster("in-cluster", "zenpro-tenants").get(Pod, "one")


def test_words_of_a_cluster_are_cut():
    assert len(sentence_of(422, "a " * 5000)) <= 300
