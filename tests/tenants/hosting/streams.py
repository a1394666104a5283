"""Answers made by hand that arrive the way those of a server do."""

import httpx


class Streamed(httpx.MockTransport):
    """Bodies have still to be read, as from a network."""

    def handle_request(self, request):
        made = super().handle_request(request)
        return httpx.Response(made.status_code, headers=made.headers, stream=httpx.ByteStream(made.content))
