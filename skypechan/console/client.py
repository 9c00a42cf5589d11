"""The running gateway, asked over its control socket."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from skypechan.config import reader
from skypechan.errors import (
    CommandError,
    ConfigError,
    DeadlineError,
    LinkDownError,
    LinkRefusedError,
    SkypechanError,
)
from skypechan.web.settings import RUN_FOLDER, SOCKET_NAME, control_socket

_ANSWER_S = 10.0
_SIGN_OF_LIFE_S = 60.0  # the gateway gives one every quarter of a minute
_REFUSED = 400


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class ControlClient:
    """Asks the gateway that answers at the first of `places` where one does."""

    def __init__(self, places: Sequence[Path]) -> None:
        self._places = places

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: object = None,
        timeout_s: float = _ANSWER_S,
    ) -> Any:
        """Return the JSON of the answer.

        Raises LinkDownError without a gateway, LinkRefusedError when this user may not
        ask it, DeadlineError when it says nothing, ConfigError when it was asked
        wrongly, CommandError when it refuses.
        """
        connection = self._connection(timeout_s)
        try:
            connection.request(
                method,
                path + (f"?{urlencode(query)}" if query else ""),
                json.dumps(body) if body is not None else None,
                {"Content-Type": "application/json"} if body is not None else {},
            )
            response = connection.getresponse()
            answer = json.loads(response.read())
        except TimeoutError:
            raise DeadlineError(
                f"the gateway did not answer within {timeout_s:g} s"
            ) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise LinkDownError(f"the gateway broke off: {error}") from error
        finally:
            connection.close()
        if response.status >= _REFUSED:
            raise _refusal(response.status, str(answer.get("error", answer)))
        return answer

    def follow(self, path: str, *, query: dict[str, str]) -> Iterator[Any]:
        """Yield the JSON of server-sent events, until the gateway ends them.

        Raises as `ask` does, and LinkDownError when the gateway breaks off.
        """
        connection = self._connection(_SIGN_OF_LIFE_S)
        try:
            connection.request("GET", f"{path}?{urlencode(query)}")
            response = connection.getresponse()
            if response.status >= _REFUSED:
                answer = json.loads(response.read())
                raise _refusal(response.status, str(answer["error"]))
            yield from _events(response)
        except TimeoutError:
            raise DeadlineError("the gateway says nothing any more") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise LinkDownError(f"the gateway broke off: {error}") from error
        finally:
            connection.close()

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        for place in self._places:
            connection = _UnixConnection(place, timeout_s)
            try:
                connection.connect()
            except PermissionError:
                connection.close()
                raise LinkRefusedError(
                    f"this user may not use {place}: join the group that owns it"
                ) from None
            except OSError:
                connection.close()
            else:
                return connection
        looked = " or ".join(str(place) for place in self._places)
        raise LinkDownError(f"no gateway runs: nobody answers at {looked}")


def _events(lines: Iterable[bytes]) -> Iterator[Any]:
    """Yield the data of events; comments and what is empty are passed over."""
    name = ""
    for line in lines:
        word, _, value = line.decode("utf-8", "replace").rstrip("\n").partition(": ")
        match word:
            case "event":
                name = value
            case "data" if name == "lost":
                raise LinkDownError("the gateway has dropped us: too slow a reader")
            case "data":
                yield json.loads(value)


def _refusal(status: int, sentence: str) -> SkypechanError:
    """Return the error that an HTTP status means: usage, or a refusal."""
    if status == HTTPStatus.BAD_REQUEST:
        return ConfigError(*sentence.split("\n"))
    return CommandError(sentence, status)


def places_of(configuration: Path | None) -> tuple[Path, ...]:
    """Return where the gateway of a configuration may be reached, likeliest first.

    A configuration that has gone bad while its gateway runs does not hide it. Raises
    ConfigError when the file that was named is not there.
    """
    usual = RUN_FOLDER / SOCKET_NAME
    try:
        path = reader.find_file(configuration)
    except ConfigError:
        if configuration is not None:
            raise
        return (usual,)
    try:
        settings = reader.load(path).control
    except ConfigError:
        return _unique(path.parent / SOCKET_NAME, usual)
    if settings.socket:
        return (control_socket(settings, path),)
    return _unique(path.parent / SOCKET_NAME, usual)


def _unique(*places: Path) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(place.absolute() for place in places))
