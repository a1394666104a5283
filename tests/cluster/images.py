"""What is in an image, as a test says: nothing that runs, a real program, or no image at all."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Pretends:
    """A container that only has a state. `ready`: passes its probes. `ends`: ends at once with this exit code;
    `reason` of that end, as OOMKilled. `says`: its log. `stubborn`: does not end when asked to."""

    ready: bool = True
    ends: int | None = None
    reason: str = ""
    says: str = ""
    stubborn: bool = False


@dataclass(frozen=True)
class Missing:
    """It cannot be pulled."""

    why: str = "not found"


@dataclass(frozen=True)
class Runs:
    """A program of this machine. `command` is what the image starts with; `env` what it brings along."""

    command: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)


OUT_OF_MEMORY = Pretends(ends=137, reason="OOMKilled")
Image = Pretends | Missing | Runs


class Acting:
    """A container of an image that pretends."""

    def __init__(self, image: Pretends):
        self.image, self.code, self.reason = image, image.ends, image.reason
        self.said = image.says.encode()
        self.ready, self.started = image.ready, True

    def poll(self) -> int | None:
        return self.code

    def output(self) -> bytes:
        return self.said

    def end(self, code: int, reason: str = "") -> None:
        if self.code is None:
            self.code, self.reason = code, reason

    def terminate(self) -> None:
        if not self.image.stubborn:
            self.end(0)

    def kill(self, reason: str = "") -> None:
        self.end(137, reason)

    def close(self) -> None:
        self.kill()
