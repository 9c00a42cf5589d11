"""Which transport a line's settings ask for."""

from __future__ import annotations

from skypechan.backends.skype.settings import SkypeSettings
from skypechan.backends.skype.transport import Transport, TransportFactory
from skypechan.backends.skype.transport_dbus import DbusTransport
from skypechan.backends.skype.transport_x11 import X11Transport
from skypechan.errors import ConfigError
from skypechan.links.x11.display import DisplayName


def transport_factory(settings: SkypeSettings) -> TransportFactory:
    """Return how the configured client is reached. Raises ConfigError."""

    async def open_dbus() -> Transport:
        return await DbusTransport.open(settings.dbus_address)

    async def open_x11() -> Transport:
        return await X11Transport.open(settings.display, settings.xauthority)

    match settings.transport:
        case "dbus":
            return open_dbus
        case "x11":
            if settings.display:
                DisplayName.parse(settings.display)
            return open_x11
    raise ConfigError(
        f'transport = "{settings.transport}" is not supported: use "dbus" or "x11"'
    )
