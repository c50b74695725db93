"""`make bench`: all services about one long chart, as an EHR calls each: their times together, and the slowest.

Each service is sent the part of a chart of 1,000 resources that its templates ask for; the floors of
tools/bench_floor.py get the same body, in turn. An EHR that opens a chart waits for the slowest; its server, for all.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import orjson

from cds_hooks.catalogue import Catalogue
from cds_hooks.service import Service
from tools.bench import share_of
from tools.bench_bodies import long_chart_request
from tools.bench_load import Caller
from tools.bench_servers import Servers, running_servers

WARM_UP, CALLS = 60, 200
LIMIT = 2.5


def main(arguments: Sequence[str]) -> int:
    """Print each service's ratios, their sum and the slowest; with `--strict` 1 if one is above the limit."""
    catalogue = Catalogue.found()
    now = datetime.now(UTC)
    found: dict[str, tuple[float, float, float]] = {}
    with running_servers(workers=1) as servers:
        for service in catalogue.services:
            body = orjson.dumps(long_chart_request(service, now))
            bare, safe, own = found[service.id] = medians(servers, service, body)
            beyond = "" if own / bare <= LIMIT else "  BEYOND THE LIMIT"
            print(
                f"  {service.id}: {len(body) / 1000:.0f} KB, p50 {own / bare:.2f} times the bare floor's "
                f"(at most {LIMIT}){beyond}, {own / safe:.2f} times the safe floor's",
                flush=True,
            )
    bare, safe, own = (sum(times) for times in zip(*found.values(), strict=True))
    slowest = max(found, key=lambda service: found[service][2])
    print(f"  all {len(found)} together: {own / bare:.2f} times the bare floor, {own / safe:.2f} times the safe floor")
    print(f"  the slowest is {slowest}, {found[slowest][2] / own:.2f} of the sum")
    worst = max(own / bare for bare, _, own in found.values())
    return int(worst > LIMIT) if "--strict" in arguments else 0


def medians(servers: Servers, service: Service, body: bytes) -> tuple[float, float, float]:
    """Give the median seconds of the bare floor, the safe floor and the service, called in turn."""
    count = WARM_UP + CALLS
    callers = (
        Caller(servers, servers.floor_port, "/floor", body, count=count, signs=False),
        Caller(servers, servers.floor_port, "/safe-floor", body, count=count),
        Caller(servers, servers.service_port, f"/cds-services/{service.id}", body, count=count),
    )
    for caller in callers * WARM_UP:
        caller.call()
    rounds = [[caller.call() for caller in callers] for _ in range(CALLS)]
    bare, safe, own = (share_of([each[place] for each in rounds], 0.50) for place in range(3))
    return bare, safe, own


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
