"""Tenants move from one home to another: what people ask for, what is carried between the homes, and who may carry it."""
