"""Ways to files of the machine through a tenant server's own API, as any Editor has them."""

import base64
import tarfile
from io import BytesIO
from uuid import uuid4

SOURCES = {
    "materializer": {"module": "zenml.materializers", "attribute": "BuiltInMaterializer", "type": "internal"},
    "data_type": {"module": "builtins", "attribute": "str", "type": "builtin"},
}


def posted(client, path, **body):
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


def artifact_in(client, project, root, uri) -> str:
    """An artifact that the tenant's own API says is a file of the machine."""
    name = f"a-{uuid4().hex[:8]}"
    store = posted(
        client, "/components", name=name, type="artifact_store", flavor="local", configuration={"path": root}
    )
    artifact = posted(client, "/artifacts", project=project, name=name)
    about = {
        "project": project,
        "artifact_id": artifact,
        "version": 1,
        "type": "DataArtifact",
        "save_type": "manual",
    }
    shown = [{"type": "image", "uri": uri}]  # whose bytes are shown, whatever they are
    return posted(
        client,
        "/artifact_versions",
        **about,
        **SOURCES,
        artifact_store_id=store,
        uri=uri,
        visualizations=shown,
    )


def read_through(client, project, path) -> str:
    """What the tenant's server shows of a file, as text; "" when it shows nothing."""
    version = artifact_in(client, project, "/", path)
    answer = client.get(f"/artifact_versions/{version}/visualize")
    if answer.status_code != 200:
        return ""
    return base64.b64decode(answer.json()["value"]).decode(errors="replace")


def downloaded(client, project, path) -> list[str]:
    """Names in the archive that the tenant's server makes of a folder."""
    version = artifact_in(client, project, path, path)
    token = client.get(f"/artifact_versions/{version}/download-token")
    if token.status_code != 200:
        return []
    answer = client.get(f"/artifact_versions/{version}/data", params={"token": token.json()})
    if answer.status_code != 200:
        return []
    with tarfile.open(fileobj=BytesIO(answer.content)) as archive:
        return archive.getnames()
