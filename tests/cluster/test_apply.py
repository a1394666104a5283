"""Server-side apply: who has which field. Pure: `fields` and `merging`; and through the API."""

import pytest
from lightkube import Client, KubeConfig, codecs
from lightkube.core.exceptions import ApiError
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap

from . import fields
from .made import deployment, plain
from .merging import json_patch, merge_patch, merged
from .refusals import Refusal

NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"


def settings(labels=None, **data):
    one = plain("ConfigMap", "settings", data=data)
    return {**one, "metadata": {**one["metadata"], "labels": labels or {}}}


def applied(live, wanted, manager="zenpro", force=False):
    return fields.applied(live, wanted, manager, force, NOW)


def test_fields_that_are_no_longer_applied_go():
    live = applied(None, settings(a="1", b="2"))
    assert applied(live, settings(a="1"))["data"] == {"a": "1"}


def test_fields_of_others_stay():
    live = applied(applied(None, settings(a="1")), settings({"team": "x"}, b="2"), "helm")
    after = applied(live, settings(a="3"))
    assert (after["data"], after["metadata"]["labels"]) == ({"a": "3", "b": "2"}, {"team": "x"})


def test_what_two_have_alike_stays_until_both_drop_it():
    live = applied(applied(None, settings(a="1")), settings(a="1"), "helm")
    live = applied(live, settings())
    assert live["data"] == {"a": "1"}
    assert "data" not in applied(live, settings(), "helm") or not applied(live, settings(), "helm")["data"]


def test_a_field_of_another_is_a_conflict_unless_forced():
    live = applied(None, settings(a="1"), "helm")
    with pytest.raises(Refusal, match='conflict with "helm": .data.a'):
        applied(live, settings(a="2"))
    forced = applied(live, settings(a="2"), force=True)
    assert forced["data"] == {"a": "2"}
    assert applied(forced, settings(), "helm")["data"] == {"a": "2"}


def test_what_somebody_writes_is_theirs():
    live = applied(None, settings(a="1"))
    written = fields.updated(live, {**live, "data": {"a": "2"}}, "kubectl-edit", LATER)
    with pytest.raises(Refusal, match='conflict with "kubectl-edit" using v1: .data.a'):
        applied(written, settings(a="1"))


def test_applying_the_same_again_writes_the_same():
    live = applied(None, deployment())
    assert fields.applied(live, deployment(), "zenpro", False, LATER) == live


def test_items_of_lists_are_known_by_their_keys():
    live = applied(None, deployment(container={"env": [{"name": "A", "value": "1"}]}))
    other = {"name": "B", "value": "2"}
    live = applied(live, deployment(container={"env": [other]}), "helm")
    after = applied(live, deployment(container={"env": []}))
    assert after["spec"]["template"]["spec"]["containers"][0]["env"] == [other]


def test_owners_are_kept_in_the_form_of_a_real_server():
    entry = applied(None, deployment(container={"ports": [{"containerPort": 80}]}))["metadata"][
        "managedFields"
    ][0]
    template = entry["fieldsV1"]["f:spec"]["f:template"]["f:spec"]
    container = template["f:containers"]['k:{"name":"main"}']
    assert container["."] == {}
    assert container["f:image"] == {}
    assert 'k:{"containerPort":80,"protocol":"TCP"}' in container["f:ports"]
    assert (entry["operation"], entry["manager"], entry["time"]) == ("Apply", "zenpro", NOW)


def test_a_selector_belongs_to_one_as_a_whole():
    assert ("f:spec", "f:selector") in fields.leaves(deployment())


def test_strategic_merges_know_items_by_their_names():
    old = {"containers": [{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}]}
    new = {"containers": [{"name": "a", "image": "2"}, {"name": "b", "$patch": "delete"}]}
    kept = {"name": "a", "image": "2", "env": [{"name": "X", "value": "1"}]}
    assert merged(old, new) == {"containers": [kept]}
    assert merged({"args": ["a"]}, {"args": ["b"]}) == {"args": ["b"]}
    assert merged({"a": {"b": 1}}, {"a": {"$patch": "replace", "c": 2}}) == {"a": {"c": 2}}
    assert merged({"finalizers": ["a"]}, {"finalizers": ["b"]}) == {"finalizers": ["a", "b"]}


def test_merge_patches_replace_lists():
    assert merge_patch({"a": [1], "b": {"c": 1, "d": 2}}, {"a": [2], "b": {"c": None}}) == {
        "a": [2],
        "b": {"d": 2},
    }


def test_json_patches_go_step_by_step():
    steps = [
        {"op": "test", "path": "/a/0", "value": 1},
        {"op": "add", "path": "/a/-", "value": 3},
        {"op": "replace", "path": "/a/0", "value": 2},
        {"op": "add", "path": "/b~1c", "value": 1},
    ]
    assert json_patch({"a": [1]}, steps) == {"a": [2, 3], "b/c": 1}
    with pytest.raises(Refusal, match="doc is missing path: /x/y"):
        json_patch({}, [{"op": "remove", "path": "/x/y"}])


def test_what_was_scaled_by_hand_is_taken_back_by_force(cluster, kube, tmp_path):
    other = Client(
        KubeConfig.from_file(cluster.kubeconfig(tmp_path / "other")), field_manager="kubectl-scale"
    )
    kube.apply(codecs.from_dict(deployment(replicas=1)))
    other.patch(Deployment, "web", {"spec": {"replicas": 5}})
    with pytest.raises(ApiError) as refused:
        kube.apply(codecs.from_dict(deployment(replicas=1)))
    assert (refused.value.status.code, cluster.get("Deployment", "web")["spec"]["replicas"]) == (409, 5)
    kube.apply(codecs.from_dict(deployment(replicas=1)), force=True)
    assert cluster.get("Deployment", "web")["spec"]["replicas"] == 1


def test_labels_of_others_outlive_an_apply(cluster, kube):
    kube.apply(codecs.from_dict(settings(a="1")))
    kube.patch(ConfigMap, "settings", {"metadata": {"labels": {"team": "x"}}}, field_manager="kubectl-label")
    kube.apply(codecs.from_dict(settings(a="2")))
    one = cluster.get("ConfigMap", "settings")
    assert (one["metadata"]["labels"], one["data"]) == ({"team": "x"}, {"a": "2"})
