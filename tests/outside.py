"""An outside world on loopback: names and addresses lead to stubs or nowhere, whatever the code under test does."""

import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from socket import create_connection, create_server, socket
from threading import Lock, Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from fhir_client.addresses import BoundToken, Reach
from fhir_client.dialing import PlainSocket, dial
from fhir_client.questions import USUAL, Deadline, Limits, Parameters
from fhir_client.transport import Reply, Transport
from tests.fhir_stub import FhirStub

PUBLIC = "93.184.215.14"  # an address that may be called; nothing is ever sent to it
OTHER_PUBLIC = "93.184.215.15"
NOWHERE = Reach()


class Outside:
    """Answers lookups from `names`, and leads connections to ports of this machine from `routes`.

    The answers of a name are given one after another, the last one for ever.
    """

    def __init__(
        self, names: Mapping[str, Sequence[Sequence[str]]] | None = None, routes: Mapping[str, int] | None = None
    ) -> None:
        self.names = {name: list(answers) for name, answers in (names or {}).items()}
        self.routes = dict(routes or {})
        self.looked_up: list[str] = []
        self.dialed: list[str] = []
        self.refused: list[tuple[str, str]] = []

    def resolve(self, host: str, _port: int) -> Sequence[str]:
        self.looked_up.append(host)
        answers = self.names.get(host)
        if not answers:
            raise OSError("no such name here")
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def dial(self, address: str, port: int, seconds: float) -> PlainSocket:
        target = f"{address}:{port}"
        self.dialed.append(target)
        ours = self.routes.get(target)
        if ours is None:
            raise ConnectionRefusedError
        return dial("127.0.0.1", ours, seconds)

    def on_refused(self, host: str, why: str) -> None:
        self.refused.append((host, why))

    def transport(self, *, ca_file: Path | None = None, https_proxy: str | None = None) -> Transport:
        return Transport(
            ca_file=ca_file, https_proxy=https_proxy, resolve=self.resolve, dial=self.dial, on_refused=self.on_refused
        )


def port_of(stub: FhirStub) -> int:
    """Give the port a stub listens on."""
    return int(stub.origin.rpartition(":")[2])


class Authority:
    """A certificate authority of the tests' own."""

    def __init__(self, folder: Path, name: str = "Test authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = self._signed(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None))
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self._certificate.public_bytes(Encoding.PEM))

    def server_context(self, *names: str) -> ssl.SSLContext:
        """Give what a server with these names, or addresses, needs to speak TLS."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        certificate = self._signed(x509.Name([]), key, alternatives)
        both = self._folder / "server.pem"
        both.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + certificate.public_bytes(Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(both)
        return context

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
            .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
            .add_extension(extension, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(identifier, critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def over_tls(stub: FhirStub, context: ssl.SSLContext) -> list[str | None]:
    """Let a stub speak TLS from now on; gives the list of the server names that clients ask for."""
    asked_for: list[str | None] = []

    def note(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        asked_for.append(name)

    context.sni_callback = note
    http = stub._http
    http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
    return asked_for


@contextmanager
def a_raw_server(say: Callable[[socket], None]) -> Iterator[int]:
    """Run a server that says what is no HTTP, or slowly; gives its port."""
    with create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            with suppress(OSError):  # closed: the test is over
                while True:
                    connection, _ = listening.accept()
                    Thread(target=_talk, args=(say, connection), daemon=True).start()

        thread = Thread(target=accept, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(2)
    thread.join()


def _talk(say: Callable[[socket], None], connection: socket) -> None:
    with connection, suppress(OSError):  # the client hung up
        say(connection)


class Proxy:
    """What `CONNECT` was asked for, and with which headers."""

    def __init__(self, routes: Mapping[str, int], *, status: str = "200 Connection established") -> None:
        self.routes = routes
        self.status = status
        self.heads: list[str] = []
        self._lock = Lock()

    def say(self, client: socket) -> None:
        """Open the tunnel, and carry bytes both ways until one side hangs up."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        with self._lock:
            self.heads.append(head.decode())
        client.sendall(f"HTTP/1.1 {self.status}\r\n\r\n".encode())
        if not self.status.startswith("2"):
            return
        with create_connection(("127.0.0.1", self.routes[head.decode().split()[1]])) as server:
            back = Thread(target=_carry, args=(server, client), daemon=True)
            back.start()
            _carry(client, server)
            back.join()


def _carry(source: socket, target: socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65_536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(1)


def asked_of(
    transport: Transport,
    url: str,
    *,
    reach: Reach = NOWHERE,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    token: BoundToken | None = None,
    form: Parameters = (),
    limits: Limits = USUAL,
    seconds: float = 5.0,
) -> Reply:
    """Send a request as a job would, by default without any permission."""
    return transport.exchange(
        method,
        url,
        headers=headers or {},
        token=token,
        form=form,
        reach=reach,
        limits=limits,
        deadline=Deadline.after(seconds, time.monotonic),
    )


def a_test_host(stub: FhirStub) -> tuple[Outside, Reach]:
    """Give a world in which this stub is a listed test host."""
    address = stub.origin.removeprefix("http://")
    return Outside(routes={address: port_of(stub)}), Reach(test_hosts=frozenset({stub.origin}))


def a_raw_host(port: int) -> tuple[Outside, Reach, str]:
    """Give a world in which the server on this port is a listed test host, and its base address."""
    address = f"127.0.0.1:{port}"
    return Outside(routes={address: port}), Reach(test_hosts=frozenset({f"http://{address}"})), f"http://{address}/r4"
