"""Opens a connection to a checked address, and keeps every read from it within a time and a number of bytes."""

import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from http.client import HTTPResponse
from ipaddress import ip_address
from pathlib import Path
from socket import AF_INET, AF_INET6, IPPROTO_TCP, SOCK_STREAM, TCP_NODELAY, getaddrinfo, socket
from threading import Lock, Thread
from typing import Any, cast

from fhir_client.addresses import Base, Reach
from fhir_client.errors import AddressRefused, Reason
from fhir_client.networks import Address, barred
from fhir_client.questions import Deadline

_ATTEMPTS = 4
_TUNNEL_ANSWER_BYTES = 16_384


class UnfitAuthorities(ValueError):
    """The file of certificate authorities holds none that can be read. The message does not repeat its path."""


class TooMuch(OSError):
    """The other side sent more than was allowed for."""


@dataclass(slots=True)
class Meter:
    """Until when a socket may be read, and how many bytes more."""

    deadline: Deadline
    allowance: int

    def seconds(self) -> float:
        """Give the time one more read may take.

        Raises:
            OSError: the time is over, or the allowance used up.
        """
        remaining = self.deadline.remaining
        if not remaining:
            raise TimeoutError
        if self.allowance <= 0:
            raise TooMuch
        return remaining


class PlainSocket(socket):
    """A socket whose reads all end with the deadline: a timeout alone begins anew with every dripping byte."""

    meter: Meter

    def recv_into(self, *arguments: Any) -> int:
        """Read what there is, or wait for it until the deadline."""
        self.settimeout(self.meter.seconds())
        size = super().recv_into(*arguments)
        self.meter.allowance -= size
        return size


class TlsSocket(ssl.SSLSocket):
    """The same with TLS; its handshake as a whole is held to the timeout it starts with."""

    meter: Meter

    def recv_into(self, *arguments: Any) -> int:
        """Read what there is, or wait for it until the deadline."""
        self.settimeout(self.meter.seconds())
        size = super().recv_into(*arguments)
        self.meter.allowance -= size
        return size


Resolve = Callable[[str, int], Sequence[str]]
Dial = Callable[[str, int, float], PlainSocket]


def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system for all addresses of a name, in the order in which it would use them."""
    return [str(found[4][0]) for found in getaddrinfo(host, port, type=SOCK_STREAM)]


def dial(address: str, port: int, seconds: float) -> PlainSocket:
    """Connect to an IP address: never to a name, which might be another address by now."""
    connection = PlainSocket(AF_INET6 if ":" in address else AF_INET, SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        connection.connect((address, port))
    except BaseException:
        connection.close()
        raise
    return connection


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """Trust the system's authorities and, where given, the hospital's own besides; TLS 1.2 or newer (FHIR-29).

    Besides, not instead: the hospital's FHIR server has its certificate, the vendor's authorization server another.

    Raises:
        UnfitAuthorities: the file holds no certificate.
    """
    # Not create_default_context: that writes the keys of every session to the file that SSLKEYLOGFILE names.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_default_certs()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError:
            raise UnfitAuthorities(
                "the file of certificate authorities holds no certificate that can be read"
            ) from None
    context.set_alpn_protocols(["http/1.1"])
    context.sslsocket_class = TlsSocket
    return context


class Names:
    """Looks names up within a deadline: the system's own resolver knows none, and cannot be interrupted."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._under_way: dict[tuple[str, int], Future[Sequence[str]]] = {}
        self._lock = Lock()

    def addresses(self, host: str, port: int, deadline: Deadline) -> Sequence[Address]:
        """Give all addresses of a name.

        Raises:
            OSError: there are none, or none came in time.
        """
        try:
            return [ip_address(host)]
        except ValueError:
            found = self._lookup(host, port).result(timeout=deadline.remaining)
        if not found:
            raise OSError("a name without addresses")
        return [ip_address(text) for text in found]

    def _lookup(self, host: str, port: int) -> "Future[Sequence[str]]":
        """Join the lookup of this name that is under way: a hanging resolver holds one thread a name, no more."""
        with self._lock:
            lookup = self._under_way.get((host, port))
            if lookup is None:
                lookup = self._under_way[host, port] = Future()
                # A daemon, and no executor: the process need not wait for a resolver that hangs.
                Thread(target=self._run, args=(host, port, lookup), name="resolve", daemon=True).start()
        return lookup

    def _run(self, host: str, port: int, lookup: "Future[Sequence[str]]") -> None:
        try:
            found = self._resolve(host, port)
        except Exception:  # noqa: BLE001 - a thread of its own: what failed is told to those who wait
            self._forget(host, port)
            lookup.set_exception(OSError("a name that cannot be looked up"))
        else:
            self._forget(host, port)
            lookup.set_result(found)

    def _forget(self, host: str, port: int) -> None:
        # Before the answer is given: who asks after it is answered anew, so no answer outlives its lookup.
        with self._lock:
            del self._under_way[host, port]


class Dialer:
    """Opens connections: name resolved once, every address checked, the checked address connected to (FHIR-73)."""

    def __init__(self, *, ca_file: Path | None, proxy: Base | None, resolve: Resolve, dial: Dial) -> None:
        self._ca_file = ca_file
        self._proxy = proxy
        self._names = Names(resolve)
        self._dial = dial
        self._context: ssl.SSLContext | None = None
        self._lock = Lock()

    def trust(self) -> ssl.SSLContext:
        """Give whom we trust; reading it once takes a tenth of a second, so better before the first call than in it.

        Raises:
            UnfitAuthorities: the file of authorities holds none.
        """
        with self._lock:
            if self._context is None:
                self._context = trusting(self._ca_file)
            return self._context

    def open(self, server: Base, reach: Reach, *, meter: Meter, seconds: float) -> PlainSocket | TlsSocket:
        """Connect to a server, each attempt within these seconds and all within the meter's deadline.

        Raises:
            AddressRefused: one of its addresses may not be called; `kind` tells what it is.
            OSError: it cannot be reached, or is not who it should be.
        """
        is_test_host = reach.is_test_host(server)
        addresses = self._names.addresses(server.host, server.port, meter.deadline.within(seconds))
        for address in addresses:
            kind = barred(address, private_networks=reach.private_networks, loopback=is_test_host)
            if kind is not None:
                raise AddressRefused(Reason.ADDRESS, why=kind.value)
        is_outside = all(barred(address) is None for address in addresses)
        use_proxy = self._proxy is not None and server.scheme == "https" and is_outside
        connect = self._tunnel if use_proxy else self._direct
        connection = self._first(lambda address: connect(address, server.port, meter, seconds), addresses)
        if server.scheme == "http":
            return connection
        return self._secured(connection, server.host, meter, seconds)

    def _first(self, connect: Callable[[str], PlainSocket], addresses: Sequence[Address]) -> PlainSocket:
        failed: OSError = TimeoutError()
        for address in addresses[:_ATTEMPTS]:
            try:
                return connect(str(address))
            except OSError as error:
                failed = error
        raise failed

    def _direct(self, address: str, port: int, meter: Meter, seconds: float) -> PlainSocket:
        connection = self._dial(address, port, min(seconds, meter.seconds()))
        connection.meter = meter
        return connection

    def _tunnel(self, address: str, port: int, meter: Meter, seconds: float) -> PlainSocket:
        """Have the proxy connect to the address that we checked, not to a name that it would look up anew (FHIR-77)."""
        proxy = cast("Base", self._proxy)
        nearest = self._names.addresses(proxy.host, proxy.port, meter.deadline.within(seconds))
        connection = self._first(lambda ours: self._direct(ours, proxy.port, meter, seconds), nearest)
        try:
            target = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
            connection.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode("ascii"))
            meter.allowance = _TUNNEL_ANSWER_BYTES
            _expect_tunnel(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _secured(self, connection: PlainSocket, host: str, meter: Meter, seconds: float) -> TlsSocket:
        """Check that the server is who its name says: by name, though the connection was made to an address."""
        try:
            context = self.trust()
            connection.settimeout(min(seconds, meter.seconds()))
            secured = cast("TlsSocket", context.wrap_socket(connection, server_hostname=host))
        except BaseException:
            connection.close()
            raise
        secured.meter = meter
        return secured


def _expect_tunnel(connection: PlainSocket) -> None:
    answer = HTTPResponse(connection, method="CONNECT")
    try:
        answer.begin()
    finally:
        answer.close()
    if answer.status // 100 != 2:  # noqa: PLR2004 - 2xx: the tunnel stands
        raise OSError("the proxy opened no tunnel")
