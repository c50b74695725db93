"""Cards made of what rules found: one an order, each finding with its reason, its source and what may be done."""

from collections.abc import Mapping, Sequence

from cds_hooks import presentation as say
from cds_hooks.protocol.cards import Coding, DeleteAction, Source, Suggestion
from cds_hooks.protocol.markdown import plain
from models.assessment import Finding, ModelReference

# What fits beside a card's text and is still read.
MOST_SUGGESTIONS = 3
# A rule's remedies by name: the draft goes, or something is ordered.
DELETE, ORDER = "delete", "order:"
NOT_CHECKED = "not-checked"
LONGEST_ACTION = 400
REMOVE = "Remove this draft order"


def by_order(findings: Sequence[Finding]) -> Mapping[str, Sequence[Finding]]:
    """Gather findings under the order that was asked about, in their own order: most urgent first."""
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        found.setdefault(finding.orders[0], []).append(finding)
    return found


def more(findings: Sequence[Finding]) -> str:
    """Say in a summary how many findings stand beneath the first."""
    return f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""


def part(finding: Finding, *, timed: bool = False) -> str:
    """Say what, what to do, from which values, and who says so."""
    return say.detail(
        f"**{plain(say.capital(finding.message))}**",
        plain(finding.action, limit=LONGEST_ACTION),
        say.inputs_table(finding.inputs, timed=timed) if finding.inputs else "",
        vouched(finding),
    )


def vouched(finding: Finding) -> str:
    """Name the source, and the rule with its version."""
    return f"{plain(finding.citation)} ({finding.rule.id}, version {finding.rule.version})"


def footer(model: ModelReference) -> str:
    """Close a detail: which rules, in which version."""
    return f"Rules {model.id} {model.version}. {say.JUDGEMENT}"


def source(finding: Finding, system: str) -> Source:
    """Give a finding's source; its topic is the rule."""
    return Source(
        say.source_label(finding.citation),
        f"https://doi.org/{finding.doi}" if finding.doi else None,
        topic=Coding(finding.rule.id, system, finding.rule.id),
    )


def remedies(findings: Sequence[Finding]) -> Sequence[str]:
    """Give the remedies, each once, those of the most urgent finding first."""
    return list(dict.fromkeys(name for finding in findings for name in finding.remedies))


def removal(order: str) -> Suggestion | None:
    """Offer to remove a draft; one that FHIR cannot name stays."""
    return Suggestion(REMOVE, actions=(DeleteAction(REMOVE, order),)) if say.is_named(order) else None
