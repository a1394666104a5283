"""Calls to us, with the fixtures of the wire protocol."""

from tests.tenants.control_plane.conftest import other, person, server, tenant

__all__ = ["other", "person", "server", "tenant"]
