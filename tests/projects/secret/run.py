"""A password as a parameter. What is logged of it tells whether it is the right one, and not what it is."""

import hashlib
import json

from pydantic import BaseModel, SecretStr
from zenml import log_metadata, pipeline, step


class Store(BaseModel):
    url: str = "https://example.org"
    password: SecretStr = SecretStr("")


def mark(secret: SecretStr) -> str:
    return hashlib.sha256(secret.get_secret_value().encode()).hexdigest()


@step(enable_cache=False)
def fetch(token: SecretStr, store: Store) -> int:
    seen = {"token": mark(token), "url": store.url, "password": mark(store.password)}
    log_metadata({"received": json.dumps(seen)})
    return len(token.get_secret_value())


@pipeline
def secret():
    fetch(token=SecretStr("first"), store=Store())


if __name__ == "__main__":
    secret()
