"""How a truth is read from a record: a condition, a drug, a coded answer; false needs proof of its own."""

from collections.abc import Mapping, Sequence

from fhir_client.codes import Code
from fhir_client.facts import Observation
from fhir_client.record import Availability, PatientRecord
from fhir_client.search import Search
from models.assessment import Gap, Missing, Reading
from models.concepts import concept
from models.features.feature import Answer, Feature, Kind, Read
from models.features.readers import newest_together, nothing_found, partly
from models.features.searches import CONDITIONS, MEDICATIONS
from models.features.windows import Window
from models.site import Site


def condition(name: str, label: str, *, of: str, ever: bool = False) -> Feature:
    """Declare a truth: an active condition of this meaning, or with `ever` one that is over too.

    False needs a complete search and few unreadable active conditions (design/contract.md section 4, "False, from a
    chart"); else the answer is that it is not known.
    """
    meaning = concept(of)

    def read(record: PatientRecord, site: Site) -> Answer:
        active = unreadable = 0
        meant = []
        for codings, count in record.problems.active.items():
            matches, covers = meaning.judge(codings, site)
            if matches:
                meant.append(codings)
            active += count
            if not covers:
                unreadable += count
        found = record.problems.newest(meant, ever=ever) if meant else None
        if found is not None:
            return Reading(value=True, at=found.onset or found.recorded, sources=(found.source.cited,))
        if record.availability(CONDITIONS.key) is not Availability.COMPLETE:
            return nothing_found(record, CONDITIONS.key)
        note = f"{unreadable} of {active} active conditions without a readable code" if unreadable else ""
        if unreadable > site.unreadable_conditions_limit * active:
            return Missing(Gap.UNREADABLE, note=note)
        return Reading(value=False, note=note)

    return Feature(
        name, label, Kind.TRUTH, searches=(CONDITIONS,), unverified=meaning.unverified, window="active", read=read
    )


def active_ingredient(name: str, label: str, *, of: str) -> Feature:
    """Declare a truth: an active order for a drug with one of these ingredients.

    False needs a complete search in which every active order resolved to its ingredients.
    """
    meaning = concept(of)
    wanted = meaning.exact_codes

    def read(record: PatientRecord, site: Site) -> Answer:  # noqa: ARG001 - every reader takes the site
        active = record.drug_orders.active
        found = record.drug_orders.newest([drugs for drugs in active if drugs and not wanted.isdisjoint(drugs)])
        if found is not None:
            return Reading(value=True, at=found.authored, sources=(found.source.cited,))
        if record.availability(MEDICATIONS.key) is not Availability.COMPLETE:
            return nothing_found(record, MEDICATIONS.key)
        unresolved = active.get(None, 0)
        if unresolved:
            return Missing(Gap.UNREADABLE, note=f"{unresolved} of {sum(active.values())} active drugs not recognised")
        return Reading(value=False)

    return Feature(
        name, label, Kind.TRUTH, searches=(MEDICATIONS,), unverified=meaning.unverified, window="active", read=read
    )


def coded_truth(
    name: str,
    label: str,
    search: Search,
    *,
    of: str,
    answers: str,
    true: frozenset[str],
    within: Window | None = None,
) -> Feature:
    """Declare a truth: what the newest coded answer means; answers of the same moment must agree."""
    meaning = concept(of)
    known = concept(answers)
    return Feature(
        name,
        label,
        Kind.TRUTH,
        searches=(search,),
        unverified=(*meaning.unverified, *known.unverified),
        window=str(within or "newest"),
        read=_coded_truth_reader(search.key, of=of, answers=answers, true=true, within=within),
    )


def _coded_truth_reader(key: str, *, of: str, answers: str, true: frozenset[str], within: Window | None) -> Read:
    meaning = concept(of)
    known = concept(answers)

    def read(record: PatientRecord, site: Site) -> Answer:
        together = newest_together(record, meaning.codes(site), key, within)
        if isinstance(together, Missing):
            return together
        newest = together[0]
        meanings = _meanings(together, known.answers(site))
        truths = {word in true for word in meanings}
        if len(truths) > 1:
            return Missing(Gap.CONTRADICTORY, newest.at)
        if not truths:
            return Missing(Gap.NOT_CODED, newest.at)
        sources = tuple(observation.source.cited for observation in together)
        return Reading(truths.pop(), newest.at, sources, partly(record, key))

    return read


def _meanings(observations: Sequence[Observation], known: Mapping[Code, str]) -> set[str]:
    return {known[code] for observation in observations for code in observation.concepts if code in known}
