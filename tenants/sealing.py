"""Encryption at rest of the tenants' secrets."""

from zenpro_site.sealing import SecretsUnreadable, seal, unseal

__all__ = ["SecretsUnreadable", "seal", "unseal"]
