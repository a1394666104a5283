"""Pages that speak of organizations and of tenants."""
