"""A git server on this machine over ssh: asyncssh lets in who holds a key, dulwich answers."""

import asyncio
import shlex
import threading
from contextlib import contextmanager

import asyncssh
from dulwich.protocol import Protocol
from dulwich.server import DictBackend, UploadPackHandler


class Guard(asyncssh.SSHServer):
    """Knows one user with one key, and notes what else was tried."""

    def __init__(self, public_key: str):
        self.allowed = asyncssh.import_public_key(public_key) if public_key else None

    def begin_auth(self, username):
        return True

    def public_key_auth_supported(self):
        return True

    def validate_public_key(self, username, key):
        return username == "git" and key == self.allowed


class SshGitServer:
    def __init__(self, repositories, public_key: str):
        self.backend = DictBackend({name: one.repo for name, one in repositories.items()})
        self.public_key, self.commands, self.key = (
            public_key,
            [],
            asyncssh.generate_private_key("ssh-ed25519"),
        )
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def _do(self, work):
        async def done():
            return await work

        return asyncio.run_coroutine_threadsafe(done(), self.loop).result(20)

    def start(self, port: int = 0) -> None:
        facts = {"process_factory": self._serve, "encoding": None, "server_host_keys": [self.key]}
        listening = asyncssh.listen("127.0.0.1", port, server_factory=lambda: Guard(self.public_key), **facts)
        self.listener = self._do(listening)
        self.port = self.listener.get_port()

    def stop(self) -> None:
        self.listener.close()
        self._do(self.listener.wait_closed())

    def close(self) -> None:
        self.stop()
        self.loop.call_soon_threadsafe(self.loop.stop)

    def change_key(self) -> None:
        self.stop()
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self.start(self.port)

    @property
    def host_key(self) -> str:
        return self.key.export_public_key().decode().strip()

    async def _serve(self, process) -> None:
        self.commands.append(process.command)
        program, path = shlex.split(process.command)
        if program != "git-upload-pack" or path not in self.backend.repos:
            process.stderr.write(b"ERROR: no such repository\n")
            return process.exit(1)
        await asyncio.to_thread(self._upload, process, path)
        return process.exit(0)

    def _upload(self, process, path) -> None:
        def read(size):
            return self._do(process.stdin.readexactly(size))

        def write(data):
            self.loop.call_soon_threadsafe(process.stdout.write, data)
            return len(data)

        UploadPackHandler(self.backend, [path], Protocol(read, write)).handle()


@contextmanager
def ssh_server(repositories, public_key: str = ""):
    """A server with these repositories: {"path": Repository}, for the holder of this key."""
    server = SshGitServer(repositories, public_key)
    server.start()
    try:
        yield server
    finally:
        server.close()
