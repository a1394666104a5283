"""Bodies of requests that are made while they are read."""


class Endless:
    """As many zeros as a caller announces; counts what was asked for."""

    def __init__(self):
        self.given = 0

    def read(self, size: int = -1) -> bytes:
        assert 0 <= size <= 1024**2, "somebody reads all of it at once"
        self.given += size
        return bytes(size)

    def readline(self, size: int = -1) -> bytes:
        return self.read(size)

    def close(self) -> None:
        """As the input of a server has it."""
