"""`make bench`: what a hook call costs above a bare Flask route that parses the same body, as ratios of one run.

The floor (design/contract.md, section 7) is a Flask route that parses the body with orjson and answers 1.5 KB, under
the same gunicorn settings. Calls to floor and service alternate, so that a drift of the machine's speed meets both.
It reports; with `--strict` a ratio above its limit is a failure.
"""

import http.client
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from cds_hooks.catalogue import Catalogue
from cds_hooks.gathering import gather
from cds_hooks.protocol.requests import HookRequest
from cds_hooks.service import Service
from cds_hooks.web.wsgi import settle_memory
from models.features.feature import extract
from models.site import Site
from tools.bench_bodies import hook_request


def free_port() -> int:
    """Take a port that nobody uses: two runs at once must not measure each other's servers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


ROOT = Path(__file__).resolve().parent.parent
FLOOR_PORT, SERVICE_PORT = free_port(), free_port()
SERVICES = ("cardiovascular-risk", "kidney-risk", "deterioration")
# Five rounds, and the median of their ratios: a neighbour on the machine spoils one round, not all.
WARM_UP, ROUNDS, CALLS = 150, 5, 300
FEATURE_ROUNDS = 500
LIMITS = {"p50": 2.0, "p95": 2.5, "features": 1.5}
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def main(arguments: Sequence[str]) -> int:
    """Print every ratio beside its limit; with `--strict` 1 if one is above it."""
    catalogue = Catalogue.found()
    settle_memory()  # as the service does once it is ready
    services = [service for service in catalogue.services if service.id in SERVICES]
    worst = 0
    with running_servers():
        for service in services:
            body = orjson.dumps(hook_request(service, NOW))
            print(f"{service.id}: body {len(body) / 1000:.0f} KB, {resource_count(body)} resources")
            worst |= report_http(service, body)
            worst |= report_features(service, body)
    return worst if "--strict" in arguments else 0


def report_http(service: Service, body: bytes) -> int:
    """Alternate calls to floor and service, in rounds; print the ratios of their medians and 95th percentiles."""
    floor = caller(FLOOR_PORT, "/floor", body)
    call = caller(SERVICE_PORT, f"/cds-services/{service.id}", body)
    for _ in range(WARM_UP):
        floor()
        call()
    ratios = [_ratios([(timed(floor), timed(call)) for _ in range(CALLS)]) for _ in range(ROUNDS)]
    p50 = statistics.median(ratio[0] for ratio in ratios)
    p95 = statistics.median(ratio[1] for ratio in ratios)
    return report("p50 of a call against the floor's", p50, LIMITS["p50"]) | report(
        "p95 of a call against the floor's", p95, LIMITS["p95"]
    )


def _ratios(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    """Give the ratios of the medians and of the 95th percentiles of one round."""
    floors, calls = sorted(pair[0] for pair in pairs), sorted(pair[1] for pair in pairs)
    middle, tail = len(pairs) // 2, int(0.95 * len(pairs))
    return calls[middle] / floors[middle], calls[tail] / floors[tail]


def report_features(service: Service, body: bytes) -> int:
    """Measure from the parsed body to the features of all models against the plain parse, both in processor time."""
    request = HookRequest.from_json(body, service_hooks=service.hooks)
    site = Site(kidney_failure_region="other")

    def features() -> None:
        gathered = gather(service.searches, request, required=service.required_keys, connect=lambda _: None, as_of=NOW)
        for assessor in service.assessors:
            extract(getattr(assessor, "features", ()), gathered.record, site)  # not every assessor has them

    rounds = [(spent(lambda: orjson.loads(body)), spent(features)) for _ in range(FEATURE_ROUNDS)]
    ratio = statistics.median(pair[1] for pair in rounds) / statistics.median(pair[0] for pair in rounds)
    return report("from parsed body to features against the plain parse", ratio, LIMITS["features"])


def report(what: str, ratio: float, limit: float) -> int:
    """Print one ratio; tell whether it is above its limit."""
    is_above = ratio > limit
    print(f"  {what}: {ratio:.2f} (limit {limit}){'  ABOVE THE LIMIT' if is_above else ''}", flush=True)
    return int(is_above)


def timed(call: Callable[[], Any]) -> float:
    """Time one call in seconds."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def spent(work: Callable[[], Any]) -> float:
    """Tell the processor time of this thread in seconds: a neighbour on the machine does not count."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


def caller(port: int, path: str, body: bytes) -> Callable[[], None]:
    """Make a function that posts the body over a kept connection and insists on 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Content-Type": "application/json"}

    def call() -> None:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        answer = response.read()
        if response.status != http.client.OK:
            message = f"{path} answered {response.status}: {answer[:400]!r}"
            raise RuntimeError(message)

    return call


def resource_count(body: bytes) -> int:
    """Count the resources of the prefetch."""
    prefetch = orjson.loads(body)["prefetch"]
    return sum(len(value["entry"]) if value["resourceType"] == "Bundle" else 1 for value in prefetch.values())


@contextmanager
def running_servers() -> Iterator[None]:
    """Run floor and service under the same gunicorn settings, one process with four threads each."""
    settings = ["--workers", "1", "--threads", "4"]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "site.toml").write_text('kidney_failure_region = "other"\n')
        environment = {
            **os.environ,
            "CHARTSIDE_AUTHENTICATION": "off",
            "CHARTSIDE_NOW": NOW.isoformat(),
            "CHARTSIDE_BASE_URL": f"http://127.0.0.1:{SERVICE_PORT}",
            "CHARTSIDE_DATABASE_URL": f"sqlite:///{folder}/bench.db",
            "CHARTSIDE_SITE": f"{folder}/site.toml",
        }
        floor = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{FLOOR_PORT}", "--worker-class", "gthread"]
        commands = [
            [*floor, *settings, "--log-level", "error", "tools.bench_floor:app"],
            [str(Path(sys.executable).with_name("chartside")), "serve", "--port", str(SERVICE_PORT), *settings],
        ]
        log = (Path(folder) / "servers.log").open("wb")
        processes = [
            subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)  # noqa: S603 - our servers
            for command in commands
        ]
        try:
            for port, path in ((FLOOR_PORT, "/floor"), (SERVICE_PORT, "/health/ready")):
                wait_for(port, path)
            yield
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(timeout=20)
            log.close()


def wait_for(port: int, path: str) -> None:
    """Wait until the server answers at all, at most 30 seconds."""
    for _ in range(300):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", path)
            connection.getresponse().read()
        except OSError:
            time.sleep(0.1)
        else:
            return
    message = f"nothing answers on port {port}"
    raise RuntimeError(message)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
