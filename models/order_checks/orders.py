"""The drugs that a check looks at: the drafts that advice is asked about, the other drafts, and what is taken."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from fhir_client.facts import Medication
from fhir_client.record import PatientRecord
from fhir_client.strengths import product_of

# RxNorm dose forms that stay where they are put. Patches are not among them, nor what is sprayed into the nose: both
# are ways into the blood. What names no product (an ingredient, a brand) has no form, and counts as taken.
_LOCAL_FORMS: Final = ("Topical ", "Ophthalmic ", "Otic ", "Vaginal ", "Medicated Shampoo", "Medicated Pad")
_A_PAIR: Final = 2


@dataclass(frozen=True, slots=True)
class DrugOrder:
    """One order for a drug that resolved. `is_asked_about`: a draft that the call is about.

    `reference` is the resource, `MedicationRequest/1`; of drafts without an id, or with the same one, a name of its own
    that is none of a resource: two drafts are never taken for one.

    `is_local`: the product is for skin, eye, ear or vagina, and hardly any of it reaches the blood. `fact` is the
    newest of the orders for the same ingredients where the chart holds several.
    """

    fact: Medication
    reference: str
    ingredients: frozenset[str]
    is_draft: bool
    is_asked_about: bool
    is_local: bool


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

    @property
    def of_each_kind(self) -> tuple[DrugOrder, ...]:
        """Give the first two orders of the same ingredients: a third plays no part beside an order that they do not."""
        met: Counter[tuple[frozenset[str], bool]] = Counter()
        kept: list[DrugOrder] = []
        for order in (*self.asked_about, *self.others):
            kind = (order.ingredients, order.is_local)
            met[kind] += 1
            if met[kind] <= _A_PAIR:
                kept.append(order)
        return tuple(kept)


NOTHING_ASKED: Final = DrugOrders((), (), 0, 0)


def drug_orders(record: PatientRecord, wanted: Container[str] | None = None) -> DrugOrders:
    """Take the drafts and the active orders of a record; without a draft that is asked about there is nothing to check.

    An order that a draft changes, ends or replaces is not looked at. Active orders without an ingredient that is
    `wanted` are left out unread: most of a long list matters to no rule.
    """
    drafts = [(draft, record.is_asked_about(draft)) for draft in record.drafted_medications]
    if not any(asked for _, asked in drafts):
        return NOTHING_ASKED
    known = [
        DrugOrder(draft, name, draft.ingredients, is_draft=True, is_asked_about=asked, is_local=is_local(draft))
        for (draft, asked), name in zip(drafts, _names(draft for draft, _ in drafts), strict=True)
        if draft.ingredients is not None
    ]
    active = [
        DrugOrder(
            newest,
            newest.source.reference,
            ingredients,
            is_draft=False,
            is_asked_about=False,
            is_local=is_local(newest),
        )
        for ingredients, count in record.drug_orders.active.items()
        if ingredients is not None and count and (wanted is None or any(code in wanted for code in ingredients))
        for newest in (_that_counts(record, ingredients, count),)
        if newest is not None
    ]
    unresolved = sum(draft.ingredients is None for draft, _ in drafts) + _unresolved(record)
    return DrugOrders(
        tuple(order for order in known if order.is_asked_about),
        (*(order for order in known if not order.is_asked_about), *active),
        unresolved,
        sum(asked and draft.ingredients is None for draft, asked in drafts),
    )


def _names(drafts: Iterable[Medication]) -> Iterator[str]:
    """Name each draft by its resource; where that is no id, or another's already, by its place in the list as well."""
    taken: set[str] = set()
    for place, draft in enumerate(drafts, start=1):
        name = draft.source.reference
        yield name if "/" in name and name not in taken else f"{name}#{place}"
        taken.add(name)


def _unresolved(record: PatientRecord) -> int:
    if not record.drug_orders.active.get(None):
        return 0
    unknown = record.drug_orders.every_active((None,))
    return sum(fact.source.reference not in record.superseded for fact in unknown)


def _that_counts(record: PatientRecord, ingredients: frozenset[str], count: int) -> Medication | None:
    """Give the newest that holds of the orders for the same ingredients; behind a gel the tablet that is taken too."""
    newest, gone = record.drug_orders.newest((ingredients,)), record.superseded
    if newest is None or (newest.source.reference not in gone and (count == 1 or not is_local(newest))):
        return newest
    same = (fact for fact in record.drug_orders.facts if fact.is_active and fact.ingredients == ingredients)
    left = [fact for fact in same if fact.source.reference not in gone]
    return next((fact for fact in left if not is_local(fact)), left[0] if left else None)


def is_local(fact: Medication) -> bool:
    """Tell whether the product stays on the skin, in the eye, the ear or the vagina."""
    product = product_of(fact.codings)
    return product is not None and product.form.startswith(_LOCAL_FORMS)
