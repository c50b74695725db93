"""The conformance page: every requirement of docs/requirements.csv beside the tests that prove it.

`python -m tools.conformance` writes docs/conformance.md; `--check` only compares. Tests are read, never imported: a
docstring that names `[DISC-4]` or `[CARD-2, CARD-18]` claims those requirements.
"""

import argparse
import ast
import csv
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "docs" / "requirements.csv"
PAGE = ROOT / "docs" / "conformance.md"
TESTS = ROOT / "tests"

CITATION = re.compile(r"\[((?:[A-Z]+-\d+)(?:, [A-Z]+-\d+)*)\]")

PREAMBLE = """\
# Conformance

Written by `make conformance` from the docstrings of the tests and from [requirements.csv](requirements.csv), never by
hand. A requirement is proven by the tests listed beside it. An empty last column is a blank: no test proves it whatever
the code does. Four rows are held in part. GEN-7: the ban on duplicate keys is dropped, the fast parser cannot see them.
PRE-10: our templates are plain, so we resolve no `today()`. ACT-7: suggestions are written in R4, which is R4B for what
is proposed, whatever version the client has. HTTP-11: 503 with `Retry-After`; calls are not counted yet, so no client
meets a 429.

Level: capitals are the specification's own word; `should` is its advice without the keyword; `LOCAL` is a decision of
this project where the specification is silent; `invariant` is a rule of its informative models. Binds: S the service
(us), C the CDS client, SC both.
"""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One row of the checklist."""

    id: str
    level: str
    binds: str
    section: str
    requirement: str


def requirements(path: Path = REQUIREMENTS) -> list[Requirement]:
    """Every requirement, in the order of the specification."""
    with path.open(encoding="utf-8", newline="") as file:
        return [Requirement(**row) for row in csv.DictReader(file)]


def citations(tests: Path = TESTS) -> dict[str, list[str]]:
    """The tests that cite each id, by id, cited ids that no specification has included."""
    found: dict[str, list[str]] = {}
    for path in sorted(tests.rglob("test_*.py")):
        module = path.relative_to(tests.parent).as_posix()
        for name, docstring in _documented_tests(ast.parse(path.read_text(encoding="utf-8")).body):
            for id_ in dict.fromkeys(_cited(docstring)):
                found.setdefault(id_, []).append(f"{module}::{name}")
    return found


def page(rows: Sequence[Requirement], proofs: Mapping[str, Sequence[str]]) -> str:
    """The whole page as markdown."""
    sections = list(dict.fromkeys(row.section for row in rows))
    parts = [PREAMBLE, _summary(rows, proofs)]
    for section in sections:
        parts.append(f"## {section}\n")
        parts.append(_table([row for row in rows if row.section == section], proofs))
    return "\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or say whether it is what it would be."""
    parser = argparse.ArgumentParser(prog="python -m tools.conformance", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 if the page is out of date")
    check = parser.parse_args(arguments).check
    rows, proofs = requirements(), citations()
    unknown = sorted(set(proofs) - {row.id for row in rows})
    for id_ in unknown:
        print(f"{id_} is no requirement: {', '.join(proofs[id_])}", file=sys.stderr)
    if unknown:
        return 1
    text = page(rows, proofs)
    if not check:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        print("docs/conformance.md is out of date: make conformance", file=sys.stderr)
        return 1
    print(f"{len(set(proofs))} of {len(rows)} requirements proven")
    return 0


def _documented_tests(body: Sequence[ast.stmt], prefix: str = "") -> Iterator[tuple[str, str]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _documented_tests(node.body, f"{prefix}{node.name}::")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield f"{prefix}{node.name}", ast.get_docstring(node) or ""


def _cited(docstring: str) -> Iterator[str]:
    for match in CITATION.finditer(docstring):
        yield from match[1].split(", ")


def _summary(rows: Sequence[Requirement], proofs: Mapping[str, Sequence[str]]) -> str:
    total = Counter(row.section for row in rows)
    proven = Counter(row.section for row in rows if row.id in proofs)
    lines = ["| section | requirements | proven | blank |", "|---|---:|---:|---:|"]
    lines += [f"| {name} | {total[name]} | {proven[name]} | {total[name] - proven[name]} |" for name in total]
    all_proven = proven.total()
    lines.append(f"| **all** | {total.total()} | {all_proven} | {total.total() - all_proven} |")
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Requirement], proofs: Mapping[str, Sequence[str]]) -> str:
    lines = ["| id | level | binds | requirement | proven by |", "|---|---|---|---|---|"]
    for row in rows:
        tests = "<br>".join(f"`{test}`" for test in proofs.get(row.id, ()))
        cells = (row.id, row.level, row.binds, row.requirement.replace("|", "\\|"), tests)
        lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |"))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
