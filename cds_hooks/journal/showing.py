"""One call of the journal as people read it: who asked, about whom, what was said and why, what became of it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from cds_hooks.journal.ledger import Kind


def call_text(call: Mapping[str, Any]) -> str:
    """Write a call with its cards and their feedback, or that it cannot be read.

    Whoever alters a row may leave what this service never writes; that must not hide the calls around it.
    """
    try:
        return _plain("\n".join(_call_lines(call)))
    except (LookupError, TypeError, AttributeError):
        return f"call {call['number']} cannot be read: chartside journal verify says whether it was altered"


def refusal_text(kind: Kind, row: Mapping[str, Any]) -> str:
    """Write a request that was refused, or an address that was not called."""
    who = _who(row)
    if kind is Kind.REFUSAL:
        why = "; ".join(_fault(fault) for fault in row["faults"]) or "not said"
        lines = [f"{_time(row['at'])}  {row['service']}: refused with {row['status']}", f"  why: {why}"]
    else:
        lines = [f"{_time(row['at'])}  an address was not called: {row['host']}", f"  why: {row['why']}"]
    return _plain("\n".join([*lines, f"  asked by: {who}", f"  correlation: {row['correlation']}"]))


def _call_lines(call: Mapping[str, Any]) -> Iterator[str]:
    outcome = call["outcome"]
    yield f"{_time(call['at'])}  {call['service']} at {call['hook']}  (call {call['number']})"
    yield f"  asked by: {_who(call)}, user {call['user'] or 'not named'}"
    encounter = "" if call["encounter"] is None else f", encounter {call['encounter']}"
    yield f"  about: patient {call['patient']}{encounter}"
    for assessment in outcome["assessments"]:
        yield from _assessment_lines(assessment)
    yield from _data_lines(outcome)
    if call["withheld"] is not None:
        yield f"  nothing was shown: {call['withheld']}"
    elif not call["cards"]:
        yield "  no card was made"
    for card in call["cards"]:
        yield from _card_lines(card)
    stages = ", ".join(f"{name} {microseconds / 1000:.1f}" for name, microseconds in (call["stages"] or {}).items())
    yield f"  took {call['duration_ms']} ms{f' ({stages})' if stages else ''}; state {call['state']}"
    token = "" if call["token"] is None else f"; token {call['token']}"
    yield f"  correlation: {call['correlation']}; hook instance {call['hook_instance']}{token}"


def _assessment_lines(assessment: Mapping[str, Any]) -> Iterator[str]:
    about = f"  {assessment['model']} {assessment['version']}: {assessment['outcome']}"
    match assessment["outcome"]:
        case "assessed":
            yield about
            for name, value in assessment["results"].items():
                yield from _result_lines(name, value)
            for sex, results in assessment.get("alternatives", {}).items():
                for name, value in results.items():
                    yield from _result_lines(name, value, f" ({sex})")
        case "not-assessable":
            missing = (f"{name} ({why})" if why else name for name, why in assessment["missing"].items())
            yield f"{about}, for want of {', '.join(missing)}"
        case _:
            yield f"{about}: {assessment['reason']}"
    for name, used in assessment.get("inputs", {}).items():
        yield f"    from {name} {_said(used)}"
        yield from _entry_lines(used["rows"] if isinstance(used, Mapping) and "rows" in used else ())


def _result_lines(name: str, value: Any, of: str = "") -> Iterator[str]:
    """Write a result; one that has entries of their own as a line an entry."""
    if isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        yield f"    {name}{of}:"
        yield from _entry_lines(value)
    else:
        yield f"    {name} = {_said(value)}{of}"


def _entry_lines(entries: Sequence[Any]) -> Iterator[str]:
    yield from (f"      {_said(each)}" for each in entries)


def _said(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(_said, value)) or "none"
        case Mapping() if "value" in value:
            return _reading(value)
        case Mapping():
            return ", ".join(f"{name} {_said(each)}" for name, each in value.items()) or "none"
        case _:
            return str(value)


def _reading(used: Mapping[str, Any]) -> str:
    at = used.get("at")
    where = [" to ".join(at) if isinstance(at, list) else at, used.get("source"), *used.get("sources", ())]
    told = ", ".join(part for part in (*where, used.get("note")) if part)
    value = " ".join(part for part in (_said(used["value"]), used.get("unit")) if part)
    return f"{value} ({told})" if told else value


def _data_lines(outcome: Mapping[str, Any]) -> Iterator[str]:
    origins, reasons = outcome.get("origins", {}), outcome.get("reasons", {})
    for key, availability in outcome["availability"].items():
        told = ", ".join(part for part in (origins.get(key), reasons.get(key)) if part)
        yield f"  {key}: {availability}{f' ({told})' if told else ''}"
    dropped = outcome["dropped"]
    if any(dropped.values()):
        yield f"  left out: {dropped['other_patient']} of another patient, {dropped['unreadable']} unreadable"
    if outcome.get("unresolved_drugs"):
        yield f"  active drugs without a known ingredient: {outcome['unresolved_drugs']}"
    yield from (f"  tolerated: {_fault(warning)}" for warning in outcome["warnings"])


def _card_lines(card: Mapping[str, Any]) -> Iterator[str]:
    how = "shown" if card["shown"] else "held back"
    yield f"  card {card['uuid']}, {how}, {card['indicator']}: {card['summary']}"
    yield from (f"    | {line}" for line in (card["detail"] or "").splitlines())
    yield from (f"    suggested: {label} ({uuid})" for uuid, label in card["suggestions"].items())
    for entry in card["feedback"]:
        reason = "" if entry["reason_code"] is None else f", reason {entry['reason_code']}"
        comment = "" if entry["comment"] is None else f", comment: {entry['comment']}"
        accepted = "".join(f", suggestion {uuid}" for uuid in entry["accepted_suggestions"])
        flags = "".join(f", {flag}" for flag in entry["flags"])
        yield f"    {entry['outcome']} at {_time(entry['outcome_at'])}{accepted}{reason}{comment}{flags}"


def _who(row: Mapping[str, Any]) -> str:
    tenant = row.get("tenant")
    return str(row["issuer"]) if tenant is None else f"{row['issuer']}, tenant {tenant}"


def _fault(fault: Mapping[str, Any]) -> str:
    return str(fault["text"]) if fault["expression"] is None else f"{fault['expression']}: {fault['text']}"


def _time(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="seconds")


def _plain(text: str) -> str:
    """Leave out what a terminal would obey: comments and ids come from strangers."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text)
