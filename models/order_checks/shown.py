"""A rule of the engine as a reader is shown it."""

from models.order_checks.rules import Rule
from models.rule_rows import RuleRow


def shown(rule: Rule) -> RuleRow:
    """Give the rule in words."""
    drug = rule.drug.title if rule.drug else "any drug"
    return RuleRow(
        id=rule.id,
        version=rule.version,
        topic=rule.topic,
        tier=rule.tier,
        about=" with ".join((drug, *(partner.title for partner in rule.partners))),
        where=rule.when,
        says=f"{rule.message}. {rule.action}",
        citation=rule.citation,
        label=rule.label.value,
        is_pilot_at_most=bool(rule.unverified),
        owner=rule.owner,
        review=rule.review,
    )
