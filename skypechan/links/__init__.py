"""Connections to the desktop's buses, each with the guards its library needs."""
