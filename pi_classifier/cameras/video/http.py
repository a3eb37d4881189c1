"""HTTP as cameras speak it: one connection, each answer bounded in bytes and in time."""

from __future__ import annotations

import base64
import errno
import hashlib
import http.client
import os
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit
from urllib.request import parse_http_list, parse_keqv_list

from pi_classifier.cameras.video.pyav import VideoError
from pi_classifier.system.bounded_socket import BoundedSocket

MOST_PICTURE_BYTES = 32_000_000
_MOST_HEAD_BYTES = 128_000
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = (301, 302, 303, 307, 308)
# The address itself, its password once or, where the first question has aged, twice, and
# redirects: cameras need one of each at most.
_MOST_QUESTIONS = 8
_HASHES = {"MD5": "md5", "SHA-256": "sha256"}  # RFC 7616


class HttpConnection:
    """Asks for one address again and again, over one connection where the camera keeps it.

    `url` may hold name and password, sent only where the camera asks, as Digest if it can.
    Redirects are followed on the same host by the same scheme. Every answer has `timeout_s`
    from its question to its last byte. Its methods raise VideoError, which names no address.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url = urlsplit(url)
        self._timeout_s = timeout_s
        self._socket: BoundedSocket | None = None
        self._challenge: tuple[str, Mapping[str, str]] | None = None
        self._count = 0

    def ask(self) -> http.client.HTTPResponse:
        """Return the camera's answer, its head read; read its body by `body` or `renew`."""
        kept = self._socket is not None
        deadline_s = time.monotonic() + self._timeout_s
        try:
            return self._answer(deadline_s)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not kept or isinstance(error, TimeoutError):
                raise problem(error) from None
        try:  # the camera had closed the connection meanwhile
            return self._answer(deadline_s)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise problem(error) from None

    def body(self, answer: http.client.HTTPResponse) -> bytes:
        """Read the whole answer; for pictures."""
        try:
            data = answer.read(MOST_PICTURE_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise problem(error) from None
        if len(data) > MOST_PICTURE_BYTES or answer.length:
            self.close()
            fault = "was cut off" if answer.length else "is larger than 32 MB"
            raise VideoError(f"the picture {fault}")
        if answer.will_close:
            self.close()
        return data

    def renew(self) -> None:
        """Allow the next picture of a stream its bytes and its time."""
        if self._socket is not None:
            self._socket.allow(MOST_PICTURE_BYTES, self._timeout_s)

    def interrupt(self) -> None:
        """End what is waited for; may be called from any thread."""
        connection = self._socket
        if connection is not None:
            connection.interrupt()

    def close(self) -> None:
        """Close the connection; the next question opens another one."""
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()

    def _answer(self, deadline_s: float) -> http.client.HTTPResponse:
        authorized = self._challenge is not None
        for _ in range(_MOST_QUESTIONS):
            answer = self._asked_once(deadline_s)
            if answer.status == HTTPStatus.OK:
                return answer
            offered = answer.headers.get_all("WWW-Authenticate", [])
            location = answer.headers.get("Location", "")
            self.close()
            if answer.status in _REDIRECTS and location:
                self._url = self._redirected(location)
            elif answer.status == HTTPStatus.UNAUTHORIZED and self._may_authorize(
                offered, again=authorized
            ):
                authorized = False
            else:
                raise VideoError(f"the camera answers {_named(answer.status)}")
        raise VideoError("the camera redirects from one address to the next")

    def _asked_once(self, deadline_s: float) -> http.client.HTTPResponse:
        if self._socket is None:
            connected = self._connected(_left_s(deadline_s))
            self._socket = BoundedSocket(connected, _MOST_HEAD_BYTES, _left_s(deadline_s))
        else:
            self._socket.allow(_MOST_HEAD_BYTES, _left_s(deadline_s))
        self._socket.sendall(self._question())
        answer = http.client.HTTPResponse(cast("Any", self._socket), method="GET")
        answer.begin()
        self._socket.allow(MOST_PICTURE_BYTES, _left_s(deadline_s))
        return answer

    def _connected(self, limit_s: float) -> socket.socket:
        host, scheme = self._url.hostname or "", self._url.scheme.lower()
        connected = socket.create_connection((host, self._url.port or _PORTS[scheme]), limit_s)
        if scheme == "http":
            return connected
        # Cameras sign their certificates themselves: who listens is kept out, no more.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            return context.wrap_socket(connected, server_hostname=host)
        except BaseException:
            connected.close()
            raise

    def _question(self) -> bytes:
        target = quote(self._url.path or "/", safe="/%:;=@!$&'()*+,~-._")
        if self._url.query:
            target += "?" + quote(self._url.query, safe="/%:;=@!$&'()*+,~-._?[]")
        place = self._url.netloc.rpartition("@")[2]
        lines = [
            f"GET {target} HTTP/1.1",
            f"Host: {place}",
            "User-Agent: pi-classifier",
            "Accept: */*",
            *self._authorization(target),
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")

    def _redirected(self, location: str) -> SplitResult:
        asked = self._url
        target = urlsplit(urljoin(asked.geturl(), location))
        try:
            same_host = target.hostname == asked.hostname
            port = target.port or _PORTS.get(target.scheme)
        except ValueError:
            raise VideoError("the camera redirects to what is no address") from None
        if target.scheme != asked.scheme.lower() or not same_host:
            raise VideoError(
                "the camera redirects to another host or by another protocol, where it is not "
                "followed; if that is wanted, write that address"
            )
        user, at, _ = asked.netloc.rpartition("@")
        host = f"[{target.hostname}]" if ":" in (target.hostname or "") else target.hostname
        return target._replace(netloc=f"{user}{at}{host}:{port}")

    # -- name and password

    def _may_authorize(self, offered: list[str], *, again: bool) -> bool:
        """Take the camera's question for a password; False where there is no answer to it.

        `again`: the answer to an earlier question was sent along, and may have aged.
        """
        if self._url.username is None or (self._challenge is not None and not again):
            return False
        self._challenge = min(
            _challenges(offered), key=lambda one: one[0] != "digest", default=None
        )
        self._count = 0
        return self._challenge is not None

    def _authorization(self, target: str) -> Iterator[str]:
        if self._challenge is None:
            return
        scheme, asked = self._challenge
        name, password = unquote(self._url.username or ""), unquote(self._url.password or "")
        if scheme == "digest":
            self._count += 1
            yield f"Authorization: {digest(asked, name, password, target, self._count)}"
        else:
            pair = base64.b64encode(f"{name}:{password}".encode()).decode()
            yield f"Authorization: Basic {pair}"


class HttpStream:
    """An answer without end, for who reads it picture by picture."""

    def __init__(self, connection: HttpConnection, answer: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._answer = answer

    def read(self, size: int) -> bytes:
        """Return what has come, no more than `size` bytes; raises VideoError."""
        try:
            return self._answer.read1(size)
        except (OSError, http.client.HTTPException) as error:
            raise problem(error) from None

    def renew(self) -> None:
        """Allow the next picture its bytes and its time."""
        self._connection.renew()

    def interrupt(self) -> None:
        """End a `read` that waits; may be called from any thread."""
        self._connection.interrupt()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _challenges(offered: list[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Those of the camera's questions that can be answered."""
    for line in offered:
        scheme, _, rest = line.strip().partition(" ")
        if scheme.lower() == "basic":
            yield "basic", {}
        if scheme.lower() != "digest" or not rest.isprintable():
            continue
        try:
            asked = parse_keqv_list(parse_http_list(rest))
        except (ValueError, IndexError):
            continue
        name = asked.get("algorithm", "MD5").upper().removesuffix("-SESS")
        if name in _HASHES and "nonce" in asked and "realm" in asked:
            yield "digest", asked


def digest(
    asked: Mapping[str, str],
    name: str,
    password: str,
    target: str,
    count: int,
    client_nonce: str | None = None,
) -> str:
    """Answer a Digest question for the `count`-th GET of `target` (RFC 7616, 3.4)."""
    algorithm = asked.get("algorithm", "MD5")
    kind = _HASHES[algorithm.upper().removesuffix("-SESS")]

    def hashed(*parts: str) -> str:
        return hashlib.new(kind, ":".join(parts).encode(), usedforsecurity=False).hexdigest()

    nonce, own = asked["nonce"], client_nonce or os.urandom(8).hex()
    secret = hashed(name, asked["realm"], password)
    if algorithm.upper().endswith("-SESS"):
        secret = hashed(secret, nonce, own)
    what = hashed("GET", target)
    shown = name.replace("\\", "\\\\").replace('"', '\\"')
    fields = {"username": shown, "realm": asked["realm"], "nonce": nonce, "uri": target}
    plain = {"algorithm": algorithm}
    if "auth" in asked.get("qop", "").replace(" ", "").split(","):
        number = f"{count:08x}"
        plain |= {"qop": "auth", "nc": number}
        fields |= {
            "cnonce": own,
            "response": hashed(secret, nonce, number, own, "auth", what),
        }
    else:
        fields["response"] = hashed(secret, nonce, what)
    if "opaque" in asked:
        fields["opaque"] = asked["opaque"]
    quoted = [f'{key}="{value}"' for key, value in fields.items()]
    return "Digest " + ", ".join(quoted + [f"{key}={value}" for key, value in plain.items()])


def _left_s(deadline_s: float) -> float:
    """The seconds until then; a little where it is past, as 0 would mean not to wait."""
    return max(0.001, deadline_s - time.monotonic())


def _named(status: int) -> str:
    """The status by the name the standard has for it, not by the camera's own words."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def problem(error: Exception) -> VideoError:
    """Return why there is no answer, in words that name no address."""
    if isinstance(error, TimeoutError):
        return VideoError("nothing came within the time allowed")
    if isinstance(error, socket.gaierror):
        return VideoError("its name is not known here", errno.EIO)
    if isinstance(error, OSError):
        reason = error.strerror or "the connection failed"
        return VideoError(f"{reason[0].lower()}{reason[1:]}", error.errno)
    return VideoError("its answer is no HTTP, or was cut off")
