"""A Kubernetes cluster for tests: a real HTTP API on 127.0.0.1, with what a cluster does by itself.

    from tests.cluster.fixtures import cluster          # a pytest fixture; or: with running_cluster(folder) as cluster
    cluster.url, cluster.kubeconfig(path, namespace=)   # for lightkube, kubectl, ZenML: KubeConfig.from_file(path)

What is stored, past all faults of requests:
    cluster.get("Deployment", "web", "ns"), cluster.list("Pod", "ns", labels="app=web"), cluster.create(obj),
    cluster.change("Deployment", "web", lambda obj: ..., "ns"), cluster.delete("Pod", "web-1", "ns")
    cluster.until(lambda: ..., seconds)   the first answer that is something; asked again after every change
    cluster.requests                      (method, address) of everything that was asked
    cluster.settle()                      until the controllers have nothing left to do
    cluster.pass_time(600)                deadlines, back-offs and times to live come nearer; no test waits for them

What is in an image, by a pattern of its name, or of a container and its image as in `main=web:1` (the last that fits
counts, those of containers first; by default every container runs and is ready):
    cluster.images["web:*"] = Pretends(ready=False) | Pretends(ends=1, says="no database\n") | OUT_OF_MEMORY
                              | Missing("not found") | Runs(("python", "-m", "http.server"))    # tests.cluster.images
    cluster.end_container("web-1", code=1, reason="OOMKilled")
    A pod's `command` and `args` count as they do in a cluster. `Runs` is a real process in a box of its own: its host name is
    the pod's, its volumes lie where they are mounted, probes ask it, its output is the log. It has this machine's network,
    so two pods of one port exclude each other. Init containers of such images run, and those of which something is said
    by name; others have done their work. In a cluster with TLS a pod that says automountServiceAccountToken finds the
    cluster as one does from inside, and may do there what Roles say its account may. All of them end with the cluster,
    also when the test's process is killed.

What goes wrong (tests.cluster.faults), until `cluster.faults.clear()`:
    faults.forbid("create", "secrets")         403 of RBAC; also what SelfSubjectAccessReview answers
    faults.deny("deployments", "no latest")    an admission webhook; of "pods" the apply succeeds and the rollout fails
    faults.no_credentials = True               401. So is a token other than `cluster.token`
    faults.hang(), faults.seconds = 0.5        no answers, slow ones
    cluster.refuse(), cluster.listen()         connection refused, and back on the same port
    faults.storage = "out of space"            claims stay Pending, with an event ProvisioningFailed
    faults.unpullable = "job-name=task"        images of these pods can't be pulled; those of others can
    cluster.lose_node("node-1", evict=True)    cluster.add_node("big", cpu="8", memory="32Gi", zone="a")
    cluster.vanish("run=1", "ns")              jobs with these labels are gone and their pods killed; nobody is told
    cluster.store.forget()                     watches from before are told 410 "too old resource version"
These need no switch, the objects make them: a ResourceQuota, a Namespace that is deleted, a Secret that is missing, a
nodeSelector or requests that fit no node, a storageClassName that is not there ("standard" is), finalizers.

What is kept as in a cluster and easily forgotten: deleting a Job orphans its pods unless a policy is given; a claim stays
while a pod uses it; a first restart comes at once, the next after `cluster.kubelet.delay` (10 s, doubled); failed pods of a Job
are followed by another after `cluster.jobs.delay` (10 s, doubled). Probes of real processes are asked ten times a second.
What is not here: schemas (nothing is validated), PodSecurity, network policies, traffic through services.
"""

from .running import Cluster, running_cluster

__all__ = ["Cluster", "running_cluster"]
