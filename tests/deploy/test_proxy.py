"""The proxy's configuration, in a real nginx where there is one (Debian: nginx-light)."""

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from cds_hooks.web.settings import MAX_BODY_BYTES
from tests.deploy.reading import DEPLOY

CONFIGURATION = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
HOST = "chartside.example"
NGINX = shutil.which("nginx", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (Debian: nginx-light)")


def test_nothing_that_a_caller_claims_about_itself_is_passed_on() -> None:
    set_anew = dict(re.findall(r"proxy_set_header ([\w-]+) (\S+);", CONFIGURATION))
    assert set_anew["X-Forwarded-For"] == "$remote_addr"
    assert set_anew["X-Forwarded-Proto"] == "https"
    assert {name for name, value in set_anew.items() if value == '""'} == {
        "Connection",
        "Forwarded",
        "X-Forwarded-Host",
        "X-Real-IP",
    }


def test_what_is_too_large_is_refused_in_our_words() -> None:
    (megabytes,) = re.findall(r"client_max_body_size (\d+)m;", CONFIGURATION)
    assert int(megabytes) * 1024 * 1024 > MAX_BODY_BYTES


def test_no_address_query_or_body_is_logged() -> None:
    (logged,) = re.findall(r"log_format calls escape=json\s+(.+?);\n", CONFIGURATION, re.DOTALL)
    assert set(re.findall(r"\$(\w+)", logged)) == {
        "time_iso8601",
        "status",
        "upstream_http_x_request_id",
        "request_time",
        "remote_addr",
        "ssl_protocol",
        "request_length",
    }


class _Service(BaseHTTPRequestHandler):
    """Stands behind the proxy and says what reached it."""

    def do_GET(self) -> None:
        body = json.dumps({"path": self.path, "headers": dict(self.headers)}).encode()
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the name that the server looks for

    def log_message(self, *_: object) -> None:
        """Keep the output of the tests clean."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running nginx and the certificate that it shows."""

    port: int
    certificate: Path
    service: HTTPServer

    def ask(self, method: str, path: str, *, body: bytes | None = None, **headers: str) -> tuple[HTTPResponse, bytes]:
        context = ssl.create_default_context(cafile=str(self.certificate))
        connection = HTTPSConnection("127.0.0.1", self.port, timeout=10, context=context)
        connection.sock = context.wrap_socket(
            socket.create_connection(("127.0.0.1", self.port), timeout=10), server_hostname=HOST
        )
        connection.request(method, path, body=body, headers={"Host": HOST, **headers})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer, content


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    assert NGINX is not None
    folder = tmp_path_factory.mktemp("proxy")
    folder.chmod(0o755)
    secrets = folder / "secrets"
    subprocess.run(["sh", DEPLOY / "make-secrets", secrets, HOST], check=True, capture_output=True)
    shutil.copy(secrets / "tls_certificate", folder / "certificate.pem")
    service = HTTPServer(("127.0.0.1", 0), _Service)
    thread = threading.Thread(target=service.serve_forever)
    thread.start()
    port = _free_port()
    configuration = (
        CONFIGURATION.replace("server chartside:8000;", f"server 127.0.0.1:{service.server_port};")
        .replace("listen 8443", f"listen 127.0.0.1:{port}")
        .replace("/run/secrets", str(secrets))
        .replace("/run/nginx", str(folder))
        .replace("/dev/stdout", str(folder / "calls.log"))
        .replace("/dev/stderr", str(folder / "errors.log"))
    )
    (folder / "nginx.conf").write_text(configuration, encoding="utf-8")
    nginx = subprocess.Popen([NGINX, "-c", folder / "nginx.conf", "-g", "daemon off;"], stderr=subprocess.DEVNULL)
    _wait_for(port)
    yield Proxy(port, folder / "certificate.pem", service)
    nginx.terminate()
    nginx.wait(timeout=10)
    service.shutdown()
    thread.join()
    service.server_close()


def _wait_for(port: int) -> None:
    for _ in range(100):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("nginx did not start")


def _reached(content: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(content)
    return found


@needs_nginx
def test_a_call_arrives_with_the_proxys_word_for_where_it_came_from(proxy: Proxy) -> None:
    claims = {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1", "X-Real-IP": "127.0.0.1"}
    answer, content = proxy.ask("POST", "/cds-services/x", body=b"{}", Authorization="Bearer t", **claims)
    assert answer.status == 200
    headers = _reached(content)["headers"]
    assert headers["X-Forwarded-For"] == "127.0.0.1", "the peer's address, which here is this machine's"
    assert headers["X-Forwarded-Proto"] == "https"
    assert headers["Authorization"] == "Bearer t"
    assert headers["Host"] == HOST
    assert {"Forwarded", "X-Real-IP", "X-Forwarded-Host"}.isdisjoint(headers)


@needs_nginx
def test_answers_carry_the_headers_of_a_site_that_is_https_only(proxy: Proxy) -> None:
    answer, _ = proxy.ask("GET", "/cds-services")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Server"] == "nginx"


@needs_nginx
@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "//metrics", "/%6detrics", "/x/../metrics", "/metrics?a=b"])
def test_metrics_are_not_passed_on(proxy: Proxy, path: str) -> None:
    answer, content = proxy.ask("GET", path)
    assert answer.status == 404
    assert b"headers" not in content


@needs_nginx
def test_a_name_that_is_not_ours_gets_no_connection(proxy: Proxy) -> None:
    context = ssl.create_default_context(cafile=str(proxy.certificate))
    context.check_hostname = False  # whatever certificate it would show
    with (
        socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as plain,
        pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"),
    ):
        context.wrap_socket(plain, server_hostname="elsewhere.example")


@needs_nginx
def test_the_newest_tls_is_spoken_and_none_older_than_1_2(proxy: Proxy) -> None:
    newest = ssl.create_default_context(cafile=str(proxy.certificate))
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as plain:
        spoken = newest.wrap_socket(plain, server_hostname=HOST)
        assert spoken.version() == "TLSv1.3"
        spoken.close()
    listed = set(re.findall(r"ssl_protocols (.+);", CONFIGURATION))
    assert listed == {"TLSv1.2 TLSv1.3"}
    assert CONFIGURATION.index("ssl_protocols") < CONFIGURATION.index("server {"), "for all servers"


@needs_nginx
def test_plain_http_is_not_passed_on(proxy: Proxy) -> None:
    connection = HTTPConnection("127.0.0.1", proxy.port, timeout=10)
    connection.request("GET", "/cds-services", headers={"Host": HOST})
    answer = connection.getresponse()
    assert answer.status == 400
    connection.close()


@needs_nginx
def test_a_body_past_the_limit_of_the_proxy_is_refused(proxy: Proxy) -> None:
    answer, _ = proxy.ask("POST", "/cds-services/x", body=b" ", **{"Content-Length": str(12 * 1024 * 1024)})
    assert answer.status == 413


@needs_nginx
def test_a_service_that_is_down_is_a_503_in_our_shape(tmp_path: Path) -> None:
    assert NGINX is not None
    closed, port = _free_port(), _free_port()
    configuration = (
        re.sub(r"ssl_\w+ .*;|listen 8443 ssl default_server;", "", CONFIGURATION)
        .replace("server chartside:8000;", f"server 127.0.0.1:{closed};")
        .replace("listen 8443 ssl", f"listen 127.0.0.1:{port}")
        .replace("/run/nginx", str(tmp_path))
        .replace("/dev/stdout", str(tmp_path / "calls.log"))
        .replace("/dev/stderr", str(tmp_path / "errors.log"))
    )
    (tmp_path / "nginx.conf").write_text(configuration, encoding="utf-8")
    nginx = subprocess.Popen([NGINX, "-c", tmp_path / "nginx.conf", "-g", "daemon off;"], stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("POST", "/cds-services/x?patient=Zzmarker", body=b"{}", headers={"Host": HOST})
        answer = connection.getresponse()
        outcome = json.loads(answer.read())
        connection.close()
    finally:
        nginx.terminate()
        nginx.wait(timeout=10)
    assert answer.status == 503
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Retry-After"] == "5"
    assert outcome["resourceType"] == "OperationOutcome"
    logged = "".join((tmp_path / name).read_text(encoding="utf-8") for name in ("calls.log", "errors.log"))
    assert '"status":503' in logged
    assert "Zzmarker" not in logged
