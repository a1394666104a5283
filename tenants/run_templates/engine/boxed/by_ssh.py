"""Git over ssh with one key, to a host whose own key is known: no agent, no configuration, no command of this machine.

asyncssh does the talking, in a thread of its own; dulwich reads and writes as if it were a file.
"""

import asyncio
import os
import socket
import sys
import threading
from importlib import import_module

sys.path.insert(0, os.path.dirname(__file__))

from written import shown

PORT = 22
TIMEOUT = 30.0  # seconds without an answer
LONGEST_COMPLAINT = 1000  # bytes that a host says beside the protocol
# What asyncssh would look for in a home folder or the environment, if it were not told.
NOTHING_OF_OURS = {"config": None, "tunnel": None, "proxy_command": None}

OTHER_KEY = (
    "The host shows another key than the one that was confirmed here: it was set up anew, or someone stands in between. "
    "Nothing was sent. Ask whoever runs it, then have the key read again under Git access."
)
NOT_LET_IN = (
    "The host does not accept the deploy key. Add the public key to the repository, as Git access shows it."
)
NOT_HANDED_OUT = "The host accepts the deploy key, but does not hand out this repository. It says: {}"
NOT_SSH = "There is no ssh server at this address that can be talked with."


class Vendor:
    """What dulwich asks for a connection."""

    def __init__(self, private_key, host_key):
        self.ssh = import_module("asyncssh")
        self.key = self.ssh.import_private_key(private_key)
        self.host_key = self.ssh.import_public_key(host_key)
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def run_command(self, host, command, username=None, port=None, **others):
        """The command is git's own, with a quoted path; what runs it is the host."""
        lost = self.ssh.Error
        return Connection(self.loop, lost, self._started(host, port or PORT, username, command.decode()))

    async def _started(self, host, port, username, command):
        line = await self.ssh.connect(
            sock=socket.create_connection((host, port), TIMEOUT),
            username=username,
            client_keys=[self.key],
            known_hosts=([self.host_key], [], []),
            preferred_auth="publickey",
            agent_path=None,
            login_timeout=TIMEOUT,
            **NOTHING_OF_OURS,
        )
        return line, await line.create_process(command, encoding=None)


class Connection:
    """`read` waits for as many bytes as it is asked for, or for the end; a line that is cut ends too."""

    def __init__(self, loop, lost, started):
        self.loop, self.lost = loop, lost
        self.line, self.process = self._wait(started)
        self.stderr = self

    def _wait(self, work):
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, TIMEOUT), self.loop).result()

    def read(self, size):
        try:
            return self._wait(self.process.stdout.readexactly(size))
        except asyncio.IncompleteReadError as error:
            return error.partial
        except self.lost:
            return b""

    def write(self, data):
        self._wait(self._written(data))
        return len(data)

    async def _written(self, data):
        self.process.stdin.write(data)
        await self.process.stdin.drain()

    def can_read(self):
        """Nothing is said here that an answer could come early to: a new repository has no commits to name."""
        return False

    def readlines(self):
        """What the host says beside the protocol, when that has ended."""
        try:
            return self._wait(self.process.stderr.read(LONGEST_COMPLAINT)).splitlines()
        except self.lost:
            return []

    def close(self):
        self.loop.call_soon_threadsafe(self.line.abort)


def words_over_ssh(error):
    """Why a host was not talked with, for people; "" where it is something else."""
    ssh, dulwich = import_module("asyncssh"), import_module("dulwich.errors")
    if isinstance(error, ssh.HostKeyNotVerifiable | ssh.KeyExchangeFailed):
        return OTHER_KEY
    if isinstance(error, ssh.PermissionDenied):
        return NOT_LET_IN
    if isinstance(error, dulwich.GitProtocolError):
        return NOT_HANDED_OUT.format(shown(str(error)))
    if isinstance(error, ssh.Error):
        return NOT_SSH
    return unreachable(error) if isinstance(error, OSError) else ""


def unreachable(error):
    """TimeoutError has no words of its own."""
    return f"The server can't be reached: {shown(error.strerror or 'it does not answer in time')}"


def offered(host, port):
    """The public key that a host shows whoever asks, as a line of text. Nobody signs in."""
    ssh = import_module("asyncssh")
    sock = socket.create_connection((host, port or PORT), TIMEOUT)
    asked = ssh.get_server_host_key(sock=sock, **NOTHING_OF_OURS)
    key = asyncio.run(asyncio.wait_for(asked, TIMEOUT))
    return key.export_public_key().decode().strip()


def without_a_home(folder):
    """Nothing of the account is looked at: its folder is an empty one."""
    os.environ |= {"HOME": folder, "USER": "git"}
