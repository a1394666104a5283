"""The cluster that tenants may live in, from the environment. What cannot work stops the start with a hint."""

import re
from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured

from zenpro_site.env import as_site
from zenpro_site.mysql_settings import MysqlSettings, load_mysql

INSIDE = "in-cluster"
NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
IMAGE = re.compile(r"[a-z0-9][a-z0-9.-]*(:[0-9]+)?(/[a-z0-9][a-z0-9._-]*)+|[a-z0-9][a-z0-9._-]*")
STORAGE = re.compile(r"[1-9][0-9]*(Mi|Gi|Ti|M|G|T)")


@dataclass(frozen=True, kw_only=True)
class KubernetesSettings:
    """`config`: a kubeconfig file, or "in-cluster". hosting.kubernetes.place says what the others mean."""

    config: str
    url: str
    context: str = ""
    namespace: str = "zenpro-tenants"
    image: str = "zenmldocker/zenml-server"
    pull_secret: str = ""
    ingress_class: str = ""
    tls_secret: str = ""
    storage_class: str = ""
    storage: str = "5Gi"
    callers: tuple[str, ...] = ()
    database: MysqlSettings | None = None  # None: each tenant has SQLite on a volume
    runs_namespace: str = "zenpro-runs"
    run_image: str = "zenmldocker/zenml"
    run_storage: str = "10Gi"


def load_kubernetes(env) -> KubernetesSettings | None:
    """None when there is no cluster. Raises ImproperlyConfigured."""
    config = env("ZENPRO_KUBERNETES", default="")
    if not config:
        return None
    if config != INSIDE and not config.startswith("/"):
        raise ImproperlyConfigured(
            f"ZENPRO_KUBERNETES is {config!r}. Set it to in-cluster, or to the full path of a kubeconfig file."
        )
    found = KubernetesSettings(
        config=config,
        url=_url(env),
        context=env("ZENPRO_KUBERNETES_CONTEXT", default=""),
        namespace=_text(env, "NAMESPACE", NAMESPACE, "zenpro-tenants", "the name of a namespace"),
        image=_text(env, "IMAGE", IMAGE, "zenmldocker/zenml-server", "an image without its tag"),
        storage=_text(env, "STORAGE", STORAGE, "5Gi", "a size such as 5Gi"),
        callers=_callers(env),
        database=load_mysql(env),
        runs_namespace=_text(env, "RUNS_NAMESPACE", NAMESPACE, "zenpro-runs", "the name of a namespace"),
        run_image=_text(env, "RUN_IMAGE", IMAGE, "zenmldocker/zenml", "an image without its tag"),
        run_storage=_text(env, "RUN_STORAGE", STORAGE, "10Gi", "a size such as 10Gi"),
        **{
            name: _text(env, name.upper(), NAME, "", "the name of an object in the cluster")
            for name in ("pull_secret", "ingress_class", "tls_secret", "storage_class")
        },
    )
    if found.runs_namespace == found.namespace:
        raise ImproperlyConfigured(
            f"ZENPRO_KUBERNETES_RUNS_NAMESPACE is {found.namespace!r}, where the tenants live. Runs need a namespace of "
            "their own."
        )
    return found


def load_runs(env, cluster: KubernetesSettings | None) -> bool:
    """Are runs of templates carried out in the cluster, and not on this machine? Raises ImproperlyConfigured."""
    found = env("ZENPRO_RUNS", default="machine")
    if found not in ("machine", "kubernetes"):
        raise ImproperlyConfigured(f"ZENPRO_RUNS is {found!r}. Set it to machine or kubernetes.")
    if found == "kubernetes" and cluster is None:
        raise ImproperlyConfigured("ZENPRO_RUNS is kubernetes, and ZENPRO_KUBERNETES names no cluster.")
    return found == "kubernetes"


def _url(env) -> str:
    """An address whose host begins with `*.`, for the name of each tenant."""
    var = "ZENPRO_KUBERNETES_URL"
    text = env(var, default="")
    if text.count("*") != 1 or "://*." not in text:
        raise ImproperlyConfigured(
            f"{var} is {text!r}. Set it to an address such as https://*.zenml.example.org."
        )
    found = as_site(var, text.replace("*", "any")).geturl()
    return found.replace("://any.", "://*.", 1)


def _text(env, name: str, pattern: re.Pattern, default: str, words: str) -> str:
    var = f"ZENPRO_KUBERNETES_{name}"
    found = env(var, default=default)
    if found and not pattern.fullmatch(found):
        raise ImproperlyConfigured(f"{var} is {found!r}. Set it to {words}.")
    return found


def _callers(env) -> tuple[str, ...]:
    var = "ZENPRO_KUBERNETES_CALLERS"
    found = tuple(env.list(var, default=[]))
    if wrong := [one for one in found if not NAMESPACE.fullmatch(one)]:
        raise ImproperlyConfigured(f"{var} has {wrong[0]!r} in it. List names of namespaces.")
    return found
