"""The headless run: every patient through every service whose hook this EHR fires, and what came of it."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from sandbox.client import HOOKS, Call, CdsClient, Faults, ServiceEntry
from sandbox.hospital import Hospital, NotFired
from sandbox.reading import breaches

INDICATORS: Final = ("info", "warning", "critical")
_TOP: Final = 8


@dataclass(frozen=True, slots=True)
class Row:
    """One patient at one service. `status` is None when no answer came, `skipped` says why no call was made."""

    patient: str
    service: str
    hook: str
    status: int | None
    milliseconds: float
    cards: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]
    skipped: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Write the row for machines."""
        cards = [{"indicator": indicator, "summary": summary} for indicator, summary in self.cards]
        return {
            "patient": self.patient,
            "service": self.service,
            "hook": self.hook,
            "status": self.status,
            "ms": round(self.milliseconds, 2),
            "cards": cards,
            "problems": list(self.problems),
            "skipped": self.skipped,
        }


@dataclass(frozen=True, slots=True)
class Summary:
    """All rows of one service at one hook."""

    service: str
    hook: str
    calls: int
    skipped: int
    errors: int
    with_cards: int
    indicators: dict[str, int]
    p50_ms: float
    p95_ms: float
    summaries: tuple[tuple[str, int], ...]


def callable_here(entries: Iterable[ServiceEntry]) -> list[ServiceEntry]:
    """Keep the services whose hooks this EHR fires."""
    return [entry for entry in entries if entry.hook in HOOKS]


def run(
    hospital: Hospital,
    client: CdsClient,
    entries: Sequence[ServiceEntry],
    patients: Sequence[str],
    faults: Faults,
) -> Iterator[Row]:
    """Call every service for every patient, one after the other, so that the times are those of single calls."""
    for patient in patients:
        for entry in entries:
            moment = hospital.moment(entry.hook, patient)
            if isinstance(moment, NotFired):
                yield Row(patient, entry.id, entry.hook, None, 0.0, (), (), moment.why)
            else:
                yield _row(patient, client.call(entry, moment, faults))


def _row(patient: str, call: Call) -> Row:
    cards = tuple((str(card.get("indicator")), str(card.get("summary"))) for card in call.cards)
    return Row(
        patient, call.service.id, call.service.hook, call.status, call.milliseconds, cards, tuple(_problems(call))
    )  # fmt: skip


def _problems(call: Call) -> list[str]:
    if call.problem is not None:
        return [call.problem]
    if call.status == HTTPStatus.OK:
        return breaches(call.response)
    issues = call.response.get("issue", []) if isinstance(call.response, dict) else []
    texts = [str(issue.get("details", {}).get("text", issue.get("code"))) for issue in issues]
    return [f"{call.status}: {text}" for text in texts] or [f"{call.status}: no OperationOutcome"]


def summarised(rows: Iterable[Row]) -> list[Summary]:
    """Sum the rows up by service and hook, in the order in which they came."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.service, row.hook), []).append(row)
    return [_summary(service, hook, found) for (service, hook), found in groups.items()]


def _summary(service: str, hook: str, rows: list[Row]) -> Summary:
    called = [row for row in rows if row.skipped is None]
    times = sorted(row.milliseconds for row in called)
    cards = [card for row in called for card in row.cards]
    indicators = Counter(indicator for indicator, _ in cards)
    return Summary(
        service=service,
        hook=hook,
        calls=len(called),
        skipped=len(rows) - len(called),
        errors=sum(1 for row in called if row.problems),
        with_cards=sum(1 for row in called if row.cards),
        indicators={name: indicators[name] for name in INDICATORS},
        p50_ms=_percentile(times, 0.50),
        p95_ms=_percentile(times, 0.95),
        summaries=_top(summary for _, summary in cards),
    )


def _top(summaries: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """Count summaries that differ in their figures only as one, shown by its first example."""
    examples: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for summary in summaries:
        pattern = re.sub(r"\d+(?:[.,]\d+)?", "#", summary)
        examples.setdefault(pattern, summary)
        counts[pattern] += 1
    return tuple((examples[pattern], count) for pattern, count in counts.most_common(_TOP))


def _percentile(times: Sequence[float], share: float) -> float:
    return times[min(int(len(times) * share), len(times) - 1)] if times else 0.0


_COLUMNS: Final = ("service", "hook", "calls", "skipped", "errors", "with cards", *INDICATORS, "p50 ms", "p95 ms")


def table(summaries: Sequence[Summary]) -> list[str]:
    """Lay the summaries out as lines of text."""
    body = [
        [
            s.service,
            s.hook,
            *(str(n) for n in (s.calls, s.skipped, s.errors, s.with_cards, *s.indicators.values())),
            f"{s.p50_ms:.1f}",
            f"{s.p95_ms:.1f}",
        ]
        for s in summaries
    ]
    widths = [max(len(row[k]) for row in [list(_COLUMNS), *body]) for k in range(len(_COLUMNS))]
    lines = [_line(list(_COLUMNS), widths), *(_line(row, widths) for row in body)]
    for s in summaries:
        lines.extend(["", f"{s.service} at {s.hook}: what its cards say"] if s.summaries else [])
        lines.extend(f"  {count:>5} x {summary}" for summary, count in s.summaries)
    return lines


def _line(cells: list[str], widths: list[int]) -> str:
    # Two columns of words to the left, the figures to the right.
    padded = [c.ljust(w) if k < 2 else c.rjust(w) for k, (c, w) in enumerate(zip(cells, widths, strict=True))]  # noqa: PLR2004
    return "  ".join(padded).rstrip()
