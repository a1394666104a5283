"""Starting the provider, and walking through it as a browser does."""

import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.tenants.hosting.stub_control_plane import free_port

ROOT = Path(__file__).resolve().parents[2]
# No certificates to read, and no connection kept that waits for an acknowledgement.
QUICK = {"timeout": 60, "trust_env": False, "verify": False, "headers": {"Connection": "close"}}
CALLBACK = "http://testserver/accounts/oidc/sso/login/callback/"


class Provider:
    def __init__(self, folder: Path):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        env = {**os.environ, "PROVIDER_KEY": pem, "PROVIDER_DATABASE": str(folder / "provider.sqlite3")}
        command = [sys.executable, "-m", "tests.oidc_provider", str(self.port), CALLBACK]
        self.log = folder / "provider.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
        self._wait()

    def _wait(self):
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                return httpx.get(f"{self.url}/enter/", **QUICK)
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError(self.log.read_text())

    def close(self):
        self.process.kill()
        self.process.wait()

    def let_in(self, address: str, who: str, **person) -> str:
        """Follow `address` at the provider, say who one is, and go on to where it sends the browser: that address."""
        with httpx.Client(base_url=self.url, **QUICK) as browser:
            answer = browser.get(address)
            for _ in range(6):
                assert answer.status_code in (200, 302), answer.text
                target = answer.headers.get("location", "")
                if urlsplit(target).netloc not in ("", urlsplit(self.url).netloc):
                    return target
                if urlsplit(target).path == "/enter/":
                    answer = browser.post(target, data={"who": who, **person})
                else:
                    answer = browser.get(target)
        raise AssertionError(f"The provider sends nobody back: {answer.text}")
