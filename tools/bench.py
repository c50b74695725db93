"""`make bench`: what a hook call costs above the least that any such service must do, as ratios of one run.

Two floors, under the same gunicorn settings (tools/bench_floor.py): the bare one parses the body and answers; the
safe one also verifies an ES384 token and commits a row durably, as the service does with everything on. Calls to floors
and service alternate, so that a drift of the machine's speed meets all. It reports; with `--strict` a ratio beyond its
limit is a failure.
"""

import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from statistics import median
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
from tools.bench_load import Caller, together
from tools.bench_servers import Servers, running_servers

SERVICES = ("cardiovascular-risk", "kidney-risk", "deterioration")
# Five rounds, and the median of their ratios: a neighbour on the machine spoils one round, not all.
WARM_UP, ROUNDS, CALLS = 150, 5, 300
FEATURE_ROUNDS = 500
CONNECTIONS, LOAD_ROUNDS, LOAD_CALLS = 8, 5, 100
LIMITS = {"p50": 2.0, "p95": 2.5, "features": 1.5, "throughput": 0.5, "p99": 3.0}
NOW = datetime.now(UTC)  # the charts are read by the service's own clock


def main(arguments: Sequence[str]) -> int:
    """Print every ratio beside its limit; with `--strict` 1 if one is above it."""
    catalogue = Catalogue.found()
    settle_memory()  # as the service does once it is ready
    services = [service for service in catalogue.services if service.id in SERVICES]
    worst = 0
    bodies = {service.id: orjson.dumps(hook_request(service, NOW)) for service in services}
    with running_servers(workers=1) as servers:
        for service in services:
            body = bodies[service.id]
            print(f"{service.id}: body {len(body) / 1000:.0f} KB, {resource_count(body)} resources")
            worst |= report_alone(servers, service, body)
            worst |= report_features(service, body)
    with running_servers(workers=2) as servers:
        for service in services:
            print(f"{service.id}, {CONNECTIONS} connections, two workers:")
            worst |= report_together(servers, service, bodies[service.id])
    return worst if "--strict" in arguments else 0


def report_alone(servers: Servers, service: Service, body: bytes) -> int:
    """One connection: alternate calls to the floors and the service, in rounds."""
    path = f"/cds-services/{service.id}"
    count = WARM_UP + ROUNDS * CALLS
    bare = Caller(servers, servers.floor_port, "/floor", body, count=count, signs=False)
    safe = Caller(servers, servers.floor_port, "/safe-floor", body, count=count)
    call = Caller(servers, servers.service_port, path, body, count=count)
    for caller in (bare, safe, call) * WARM_UP:
        caller.call()
    rounds = [[(bare.call(), safe.call(), call.call()) for _ in range(CALLS)] for _ in range(ROUNDS)]
    worst = 0
    for share, name, limit in ((0.50, "p50", LIMITS["p50"]), (0.95, "p95", LIMITS["p95"])):
        worst |= report(f"{name} of a call against the safe floor's", ratio_of(rounds, share, 2, 1), limit)
        print(f"    against the bare floor's: {ratio_of(rounds, share, 2, 0):.2f}", flush=True)
    print(f"    the safe floor's p50 against the bare one's: {ratio_of(rounds, 0.50, 1, 0):.2f}", flush=True)
    return worst


def report_together(servers: Servers, service: Service, body: bytes) -> int:
    """Eight connections: rounds of the safe floor and of the service in turn; an answer other than 200 ends the run."""
    path = f"/cds-services/{service.id}"
    rates, tails = [], []
    for _ in range(LOAD_ROUNDS):
        found = []
        for port, address in ((servers.floor_port, "/safe-floor"), (servers.service_port, path)):
            callers = [Caller(servers, port, address, body, count=LOAD_CALLS) for _ in range(CONNECTIONS)]
            rate, times = together(callers, LOAD_CALLS)
            found.append((rate, share_of(times, 0.99)))
        (floor_rate, floor_tail), (rate, tail) = found
        rates.append(rate / floor_rate)
        tails.append(tail / floor_tail)
    return report(
        "throughput at eight connections against the safe floor's", median(rates), LIMITS["throughput"], is_least=True
    ) | report("p99 at eight connections against the safe floor's", median(tails), LIMITS["p99"])


def ratio_of(rounds: Sequence[Sequence[tuple[float, ...]]], share: float, of: int, to: int) -> float:
    """Give the median over the rounds of the ratio between two columns' quantiles."""
    return median(
        share_of([row[of] for row in each], share) / share_of([row[to] for row in each], share) for each in rounds
    )


def share_of(times: Sequence[float], share: float) -> float:
    """Give the time that this share of the calls took at most."""
    return sorted(times)[int(share * (len(times) - 1))]


def report_features(service: Service, body: bytes) -> int:
    """Measure from the parsed body to the features of all models against the plain parse, both in processor time.

    Compared are the times that one run in twenty does not exceed: on a shared machine a median tells of neighbours, who
    empty the caches of both, and of the one that touches more memory more.
    """
    request = HookRequest.from_json(body, service_hooks=service.hooks)
    site = Site(kidney_failure_region="other")

    def features() -> None:
        gathered = gather(service.searches, request, required=service.required_keys, connect=lambda _: None, as_of=NOW)
        for assessor in service.assessors:
            extract(getattr(assessor, "features", ()), gathered.record, site)  # not every assessor has them

    rounds = [(spent(lambda: orjson.loads(body)), spent(features)) for _ in range(FEATURE_ROUNDS)]
    ratio = share_of([pair[1] for pair in rounds], 0.05) / share_of([pair[0] for pair in rounds], 0.05)
    return report("from parsed body to features against the plain parse", ratio, LIMITS["features"])


def report(what: str, ratio: float, limit: float, *, is_least: bool = False) -> int:
    """Print one ratio; tell whether it is beyond its limit, the most or the least that it may be."""
    is_beyond = ratio < limit if is_least else ratio > limit
    words = "at least" if is_least else "at most"
    print(f"  {what}: {ratio:.2f} ({words} {limit}){'  BEYOND THE LIMIT' if is_beyond else ''}", flush=True)
    return int(is_beyond)


def spent(work: Callable[[], Any]) -> float:
    """Tell the processor time of this thread in seconds: a neighbour on the machine does not count."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


def resource_count(body: bytes) -> int:
    """Count the resources of the prefetch."""
    prefetch = orjson.loads(body)["prefetch"]
    return sum(len(value["entry"]) if value["resourceType"] == "Bundle" else 1 for value in prefetch.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
