"""The web side: health, metrics, the JSON API and the operator's page (aiohttp)."""
