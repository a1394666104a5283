"""One artifact of each kind that a page can show, and some that it can only offer for download."""

import json
import os
from pathlib import Path
from typing import Annotated

from zenml import log_metadata, pipeline, step
from zenml.enums import ArtifactType, VisualizationType
from zenml.materializers.base_materializer import BaseMaterializer
from zenml.types import CSVString, HTMLString, JSONString, MarkdownString


class Picture:
    def __init__(self, data: bytes):
        self.data = data


class PictureMaterializer(BaseMaterializer):
    ASSOCIATED_TYPES = (Picture,)
    ASSOCIATED_ARTIFACT_TYPE = ArtifactType.DATA
    file = property(lambda self: os.path.join(self.uri, "picture.png"))

    def load(self, data_type):
        with self.artifact_store.open(self.file, "rb") as file:
            return Picture(file.read())

    def save(self, data):
        with self.artifact_store.open(self.file, "wb") as file:
            file.write(data.data)

    def save_visualizations(self, data):
        return {self.file: VisualizationType.IMAGE}


@step(output_materializers={"picture": PictureMaterializer})
def make(
    rows: int = 2,
) -> tuple[
    Annotated[HTMLString, "page"],
    Annotated[MarkdownString, "note"],
    Annotated[CSVString, "table"],
    Annotated[JSONString, "document"],
    Annotated[Picture, "picture"],
    Annotated[int, "number"],
    Annotated[dict, "values"],
    Annotated[bytes, "blob"],
    Annotated[str, "big"],
]:
    log_metadata({"received": json.dumps({"rows": rows})})
    lines = "".join(f"{number},name {number}\n" for number in range(rows))
    return (
        HTMLString("<h1>Report</h1><script>parent.document.title = 'mine'</script>"),
        MarkdownString(f"# Note\n\n{rows} rows"),
        CSVString(f"id,name\n{lines}"),
        JSONString(json.dumps({"rows": rows, "kinds": ["a", "b"]})),
        Picture(Path("dot.png").read_bytes()),
        rows,
        {"rows": rows, "nested": {"a": [1, 2.5, None]}},
        bytes(range(256)),
        "0123456789" * 300_000,
    )


@pipeline(enable_cache=False)
def artifacts():
    make()


if __name__ == "__main__":
    artifacts()
