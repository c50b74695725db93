"""What a FHIR Dosage says, under the names that DSTU2, STU3, R4 and R5 have for it; nothing is worked out here."""

from collections.abc import Mapping
from typing import Any

from fhir_client.elements import Resource, mapping, mappings
from fhir_client.numbers import exact


def instructions(resource: Resource) -> tuple[Mapping[str, Any], ...]:
    """Give the dosage instructions of an order or dispense, the dosages of a statement."""
    found = resource.get("dosageInstruction")
    return tuple(mappings(resource.get("dosage") if found is None else found))


def is_as_needed(instruction: Mapping[str, Any]) -> bool:
    """Tell whether it is taken as needed: said outright, or by giving what for."""
    return (
        instruction.get("asNeededBoolean") is True
        or instruction.get("asNeeded") is True  # R5
        or bool(instruction.get("asNeededCodeableConcept") or instruction.get("asNeededFor"))
    )


def amounts(instruction: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give where doses and rates are: `doseAndRate` since R4, which says one amount in several ways; before, here."""
    return mappings(instruction.get("doseAndRate")) or [instruction]


def dose(element: Mapping[str, Any]) -> tuple[object, bool]:
    """Give the quantity of one dose, of a range the higher end, and whether it may be less."""
    return _highest(element, "dose")


def rate(element: Mapping[str, Any]) -> tuple[object, bool]:
    """Give the quantity or ratio of a rate, of a range the higher end, and whether it may be less."""
    ratio = element.get("rateRatio")
    return (ratio, False) if ratio is not None else _highest(element, "rate")


def most_in_a_period(instruction: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give the ratios of the most that may be taken in a time; R5 has several."""
    return mappings(instruction.get("maxDosePerPeriod"))


def _highest(element: Mapping[str, Any], name: str) -> tuple[object, bool]:
    for choice in (f"{name}Quantity", f"{name}SimpleQuantity"):  # the second in STU3
        if element.get(choice) is not None:
            return element[choice], False
    bounds = element.get(f"{name}Range")
    if bounds is None:
        return None, False
    high, low = mapping(bounds).get("high"), mapping(bounds).get("low")
    return ({} if high is None or _is_upside_down(low, high) else high), high != low


def _is_upside_down(low: object, high: object) -> bool:
    """Tell whether a range in one unit ends below its beginning: which of the two is meant, nobody can tell."""
    units = [(mapping(each).get("system"), mapping(each).get("code")) for each in (low, high)]
    least, most = exact(mapping(low).get("value")), exact(mapping(high).get("value"))
    return least is not None and most is not None and units[0] == units[1] and least > most
