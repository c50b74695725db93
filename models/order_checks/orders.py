"""The drugs that a check looks at: the drafts that advice is asked about, the other drafts, and what is taken."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from fhir_client.facts import Medication
from fhir_client.record import PatientRecord
from fhir_client.strengths import product_of

# RxNorm dose forms that stay where they are put. Patches are not among them, nor what is sprayed into the nose: both
# are ways into the blood. What names no product (an ingredient, a brand) has no form, and counts as taken.
_LOCAL_FORMS: Final = ("Topical ", "Ophthalmic ", "Otic ", "Vaginal ", "Medicated Shampoo", "Medicated Pad")


@dataclass(frozen=True, slots=True)
class DrugOrder:
    """One order for a drug that resolved. `is_asked_about`: a draft that the call is about.

    `is_local`: the product is for skin, eye, ear or vagina, and hardly any of it reaches the blood. `fact` is the
    newest of the orders for the same ingredients where the chart holds several.
    """

    fact: Medication
    ingredients: frozenset[str]
    is_draft: bool
    is_asked_about: bool
    is_local: bool

    @property
    def reference(self) -> str:
        """Give the resource: `MedicationRequest/1`."""
        return self.fact.source.reference


Player: TypeAlias = tuple[DrugOrder, frozenset[str]]
"""An order that plays a part in a rule, and the ingredients of it that are meant."""


@dataclass(frozen=True, slots=True)
class DrugOrders:
    """All of them: drafts first, in their order.

    `unresolved` counts those whose ingredients are not known, `unresolved_asked_about` the drafts among them that the
    call is about.
    """

    asked_about: tuple[DrugOrder, ...]
    others: tuple[DrugOrder, ...]
    unresolved: int
    unresolved_asked_about: int

    def beside(self, order: DrugOrder) -> Iterator[DrugOrder]:
        """Give all but this one."""
        for each in (*self.asked_about, *self.others):
            if each is not order:
                yield each


NOTHING_ASKED: Final = DrugOrders((), (), 0, 0)


def drug_orders(record: PatientRecord, wanted: Container[str] | None = None) -> DrugOrders:
    """Take the drafts and the active orders of a record; without a draft that is asked about there is nothing to check.

    A draft with the id of an active order is that order, changed: the order as it was is not looked at. Active orders
    without an ingredient that is `wanted` are left out unread: most of a long list matters to no rule.
    """
    drafts = [(draft, record.is_asked_about(draft)) for draft in record.drafted_medications]
    if not any(asked for _, asked in drafts):
        return NOTHING_ASKED
    known = [
        DrugOrder(draft, draft.ingredients, is_draft=True, is_asked_about=asked, is_local=_is_local(draft))
        for draft, asked in drafts
        if draft.ingredients is not None
    ]
    changed = {draft.source.reference for draft, _ in drafts}
    active = [
        DrugOrder(newest, ingredients, is_draft=False, is_asked_about=False, is_local=_is_local(newest))
        for ingredients, count in record.drug_orders.active.items()
        if ingredients is not None and count and (wanted is None or any(code in wanted for code in ingredients))
        for newest in (_that_counts(record, ingredients, count),)
        if newest is not None and not (count == 1 and newest.source.reference in changed)
    ]
    unresolved = len(drafts) - len(known) + record.drug_orders.active.get(None, 0)
    return DrugOrders(
        tuple(order for order in known if order.is_asked_about),
        (*(order for order in known if not order.is_asked_about), *active),
        unresolved,
        sum(asked and draft.ingredients is None for draft, asked in drafts),
    )


def _that_counts(record: PatientRecord, ingredients: frozenset[str], count: int) -> Medication | None:
    """Give the newest of the orders for the same ingredients; behind a gel the tablet that is taken as well."""
    newest = record.drug_orders.newest((ingredients,))
    if newest is None or count == 1 or not _is_local(newest):
        return newest
    others = (fact for fact in record.drug_orders.facts if fact.is_active and fact.ingredients == ingredients)
    return next((fact for fact in others if not _is_local(fact)), newest)


def _is_local(fact: Medication) -> bool:
    product = product_of(fact.codings)
    return product is not None and product.form.startswith(_LOCAL_FORMS)
