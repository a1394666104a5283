"""Tenants whose servers run in a Kubernetes cluster: one Deployment each, with what it needs."""
