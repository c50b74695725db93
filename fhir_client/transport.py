"""The one way out: every outbound request of the project is made here, to a checked address, and bounded (FHIR-2).

No redirect is followed, no cookie kept, no password file and no proxy variable of the environment looked at (FHIR-74,
FHIR-77): nothing but what `exchange` is given decides where a request goes and what it carries.
"""

import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, RemoteDisconnected
from os import getpid
from pathlib import Path
from select import POLLIN, poll
from threading import Lock
from typing import Self
from urllib.parse import quote, urlencode

from fhir_client.addresses import BadAddress, Base, BoundToken, Reach, called
from fhir_client.dialing import Dial, Dialer, Meter, PlainSocket, Resolve, TlsSocket, TooMuch, dial, resolve
from fhir_client.errors import AddressRefused, BadResource, Reason, Unreachable
from fhir_client.questions import Deadline, Limits, Parameters

_METHODS = frozenset({"GET", "POST"})  # FHIR-3; the DELETE of a bulk export's status comes with bulk exports
_FORM = "application/x-www-form-urlencoded"
_HEAD_BYTES = 65_536
_HEADER = re.compile(r"[\x20-\x7e]*")
_IDLE_SECONDS = 30.0
_LEAST_KEPT = 8
# What a link may hold as it stands; the rest is encoded, percent signs are not encoded again (FHIR-41).
_AS_IT_STANDS = "!#$%&'()*+,/:;=?@[]~"

OnRefused = Callable[[str, str], None]
# Reach is part of it: a connection that one caller's permission opened never serves another's. So is the process: one
# that was forked does not go on writing on its parent's connections.
_Key = tuple[int, Base, Reach]


class Headers(Mapping[str, str]):
    """The headers of a reply, by names in any case."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._values: dict[str, str] = {}
        for name, value in pairs:
            lowered = name.lower()
            known = self._values.get(lowered)
            self._values[lowered] = value if known is None else f"{known}, {value}"

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({len(self)})"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered; the body is decompressed, that of a redirect is not read."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """Give the media type without its parameters, in lower case; empty if there is none."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def __repr__(self) -> str:
        return f"Reply({self.status}, {len(self.body)} bytes)"


@dataclass(slots=True)
class _Line:
    """One open connection, used by one request at a time."""

    http: HTTPConnection
    socket: PlainSocket | TlsSocket
    is_used: bool = False
    idle_since: float = 0.0

    def is_fresh(self, now: float) -> bool:
        """Tell whether the server still waits for a request: what it has sent, or closed, meanwhile ends this."""
        if now - self.idle_since > _IDLE_SECONDS:
            return False
        if isinstance(self.socket, TlsSocket) and self.socket.pending():  # came with the last answer, and is decrypted
            return False
        waiting = poll()
        waiting.register(self.socket, POLLIN)
        return not waiting.poll(0)


class Transport:
    """The connections of this process, shared by all its callers; none is open before the first request.

    https goes through `https_proxy`, except to the private networks and test hosts that an entry lists. The proxy is
    asked for the address that was checked here, by number: names are resolved on this machine, and it must be able to.
    `on_refused` is told the host, and why, whenever an address is refused (FHIR-80).
    """

    def __init__(
        self,
        *,
        ca_file: Path | None = None,
        https_proxy: str | None = None,
        resolve: Resolve = resolve,
        dial: Dial = dial,
        on_refused: OnRefused | None = None,
    ) -> None:
        """Keep how to connect; `resolve` and `dial` are all that touches the network.

        Raises:
            BadAddress: the proxy is not an address like `http://proxy.example:3128`.
        """
        proxy = None if https_proxy is None else Base.parse(https_proxy)
        if proxy is not None and (proxy.scheme != "http" or proxy.path):
            raise BadAddress("not the address of a proxy that opens tunnels")
        self._dialer = Dialer(ca_file=ca_file, proxy=proxy, resolve=resolve, dial=dial)
        self._on_refused = on_refused
        self._idle: dict[_Key, list[_Line]] = {}
        self._is_closed = False
        self._lock = Lock()

    def prepare(self) -> None:
        """Read the certificate authorities now: before a fork, and where an unfit file can still stop the start.

        Raises:
            UnfitAuthorities: the file of authorities holds none.
        """
        self._dialer.trust()

    def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        token: BoundToken | None = None,
        form: Parameters = (),
        body: bytes | None = None,
        reach: Reach,
        limits: Limits,
        deadline: Deadline,
    ) -> Reply:
        """Send one request and read its answer, whatever the status; a form makes the body.

        Raises:
            AddressRefused: we do not call this address, or not with this token; nothing was sent.
            Unreachable: no whole answer came by the deadline.
            BadResource: the answer was larger than the limits, or encoded in a way we did not offer.
        """
        if method not in _METHODS or any(name.lower() == "authorization" for name in headers):
            raise ValueError("a request of ours reads, and its credentials come as a BoundToken")
        if not all(_HEADER.fullmatch(value) for value in headers.values()):
            raise ValueError("a header that would write another")
        server, target, authorization = self._checked(url, token, reach)
        content = urlencode(form).encode("ascii") if form else body
        sent = {"Host": server.origin.partition("//")[2], "Accept-Encoding": "gzip", **headers, **authorization}
        if form:
            sent["Content-Type"] = _FORM
        meter = Meter(deadline, _HEAD_BYTES)
        try:
            meter.seconds()  # after the deadline nothing is sent, nor looked up
            return self._exchange(method, server, target, content, sent, reach, limits, meter)
        except AddressRefused as error:
            raise self._refused(server.host, error.why) from None
        except TooMuch:
            raise BadResource(Reason.TOO_LARGE) from None
        except (OSError, HTTPException, zlib.error):
            # Without the cause: its message has the address, and with it the patient (FHIR-81). Refused, reset, timed
            # out, of another name than its certificate: all read alike (FHIR-78).
            raise Unreachable(Reason.NO_ANSWER) from None

    def close(self) -> None:
        """Close every connection that is not in use, and from now on each as soon as it is not."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, {}
        for lines in idle.values():
            for line in lines:
                line.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _checked(self, url: str, token: BoundToken | None, reach: Reach) -> tuple[Base, str, Mapping[str, str]]:
        """Give server and target of a URL that may be called, and the header with the token.

        Raises:
            AddressRefused: it may not, or not with this token.
        """
        try:
            server, target = called(url)
        except BadAddress:
            raise self._refused("", "malformed") from None
        if server.scheme != "https" and not reach.is_test_host(server):
            raise self._refused(server.host, "plain http")
        authorization = {} if token is None else token.header(url)
        if authorization is None:
            raise self._refused(server.host, "token of another server")
        return server, quote(target, safe=_AS_IT_STANDS), authorization

    def _refused(self, host: str, why: str) -> AddressRefused:
        if self._on_refused is not None:
            self._on_refused(host, why)
        return AddressRefused(Reason.ADDRESS, why=why)

    def _exchange(
        self,
        method: str,
        server: Base,
        target: str,
        content: bytes | None,
        headers: Mapping[str, str],
        reach: Reach,
        limits: Limits,
        meter: Meter,
    ) -> Reply:
        key = (getpid(), server, reach)
        while True:
            line = self._line(key, meter, limits)
            try:
                line.socket.settimeout(meter.seconds())
                line.http.request(method, target, body=content, headers=headers)
                response = line.http.getresponse()
            except (ConnectionError, RemoteDisconnected):
                line.http.close()
                # The server closed an idle connection just as we wrote on it. Only a GET is surely no second request.
                if line.is_used and method == "GET":
                    continue
                raise
            except BaseException:
                line.http.close()
                raise
            return self._received(key, line, response, limits)

    def _received(self, key: _Key, line: _Line, response: HTTPResponse, limits: Limits) -> Reply:
        """Read the body, and keep the connection if the answer was read to its end."""
        try:
            reply = _reply(response, line.socket.meter, limits.page_bytes)
            is_done = response.isclosed() and not response.will_close
        except BaseException:
            response.close()
            line.http.close()
            raise
        response.close()
        self._keep(key, line, limits) if is_done else line.http.close()
        return reply

    def _line(self, key: _Key, meter: Meter, limits: Limits) -> _Line:
        """Give a connection that waits for a request: the one used last, or a new one."""
        now = meter.deadline.clock()
        while True:
            with self._lock:
                idle = self._idle.get(key)
                line = idle.pop() if idle else None
            if line is None:
                break
            if line.is_fresh(now):
                line.socket.meter = meter
                return line
            line.http.close()
        _, server, reach = key
        connection = self._dialer.open(server, reach, meter=meter, seconds=limits.connect_seconds)
        meter.allowance = _HEAD_BYTES
        http = HTTPConnection(server.host, server.port)
        http.auto_open = 0  # it would connect by name
        http.sock = connection
        return _Line(http, connection)

    def _keep(self, key: _Key, line: _Line, limits: Limits) -> None:
        line.is_used = True
        line.idle_since = line.socket.meter.deadline.clock()
        with self._lock:
            idle = self._idle.setdefault(key, [])
            if not self._is_closed and len(idle) < max(limits.concurrency, _LEAST_KEPT):
                idle.append(line)
                return
        line.http.close()


def _reply(response: HTTPResponse, meter: Meter, limit: int) -> Reply:
    headers = Headers(response.getheaders())
    if response.status // 100 == 3:  # noqa: PLR2004 - 3xx: not followed, so not read
        return Reply(response.status, headers, b"")
    coding = headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip", "x-gzip", ""):
        raise BadResource(Reason.NOT_FHIR)
    if response.length is not None and response.length > limit:
        raise BadResource(Reason.TOO_LARGE)
    # What frames the chunks is not counted as body, but chunks of one byte each are not listened to for ever.
    meter.allowance = 2 * limit + _HEAD_BYTES
    body = _read(response, limit)
    if "gzip" in coding and body:
        body = _unzipped(body, limit)
    if len(body) > limit:
        raise BadResource(Reason.TOO_LARGE)
    return Reply(response.status, headers, body)


def _read(response: HTTPResponse, limit: int) -> bytes:
    try:
        return response.read() if response.length is not None else response.read(limit + 1)
    except ValueError:  # http.client believes a chunk size below 0
        raise HTTPException from None


def _unzipped(body: bytes, limit: int) -> bytes:
    """Decompress no further than to the limit (FHIR-79)."""
    parts: list[bytes] = []
    room = limit + 1
    while body and room > 0:  # a gzip file may be several, one after another
        member = zlib.decompressobj(16 + zlib.MAX_WBITS)
        part = member.decompress(body, room)
        parts.append(part)
        room -= len(part)
        if room > 0 and not member.eof:
            raise zlib.error("broken off")
        body = member.unused_data
    return b"".join(parts)
