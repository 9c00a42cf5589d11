"""Connections to X displays."""
