"""Order entry on the page: what is picked, signed or saved, and what the hooks are fired with meanwhile."""

import threading
import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, abort, jsonify, request

from sandbox.client import Entered, Moment
from sandbox.ehr.ordering import Action
from sandbox.hospital import Hospital, NotFired
from sandbox.pages.charting import words
from sandbox.patients.allergens import Allergens, allergens, allergy_of
from sandbox.patients.builder import DOCTOR
from sandbox.patients.orderables import Bedside, draft_of, orderables
from sandbox.patients.stories import Draft
from sandbox.scratchpad import Scratchpad, reference_of


class OrderEntry:
    """The scratchpads of a hospital: each begins with what the story or the bundle drafts."""

    def __init__(self, hospital: Hospital, clock: Callable[[], datetime]) -> None:
        self._hospital = hospital
        self._clock = clock
        self._lock = threading.Lock()
        self._pads: dict[str, Scratchpad] = {}

    def moment(self, hook: str, patient: str, user: str, picked: str | None) -> Moment | NotFired:
        """Say what a hook is fired with now, or why it is not."""
        return self._hospital.moment(hook, patient, user, self._pad(patient).entered(picked))

    def applied(self, patient: str, actions: list[Action], hook: str) -> list[str] | None:
        """Carry out a suggestion; None where the chart is read only."""
        return self._pad(patient).apply(self._hospital.store, actions, hook)

    def offered(self) -> Response:
        """Answer with what can be ordered and what one can be allergic to."""
        found = [{**asdict(each), "sig": each.dosing.sig if each.dosing else ""} for each in orderables().values()]
        return jsonify({"orders": found, **_choices(allergens())})

    def shown(self, patient: str) -> Response:
        """Answer with what is entered for a patient."""
        pad = self._pad(patient)
        allergy = pad.allergy
        return jsonify(
            {
                "drafts": [_line(draft) for draft in pad.drafts],
                "allergy": None if allergy is None else words(allergy.get("code")),
            },
        )

    def order(self) -> Response:
        """Pick an order."""
        asked = _asked()
        patient, name = _patient(asked), str(asked.get("order"))
        if name not in orderables():
            abort(HTTPStatus.NOT_FOUND)
        draft = draft_of(Draft(name), f"draft-{uuid.uuid4()}", self._bedside(patient, asked))
        return jsonify({"picked": reference_of(self._pad(patient).add(draft))})

    def remove(self) -> Response:
        """Take a draft out."""
        asked = _asked()
        self._pad(_patient(asked)).remove(str(asked.get("draft")))
        return jsonify({})

    def sign(self) -> Response:
        """Put the drafts into the chart."""
        return self._settled(Scratchpad.sign)

    def enter_allergy(self) -> Response:
        """Enter an allergy, not saved yet."""
        asked = _asked()
        patient = _patient(asked)
        chosen = {name: str(asked.get(name)) for name in ("substance", "reaction", "kind", "severity")}
        entry = allergy_of(chosen, f"allergy-{uuid.uuid4()}", patient)
        if entry is None:
            abort(HTTPStatus.NOT_FOUND)
        return jsonify({"picked": reference_of(self._pad(patient).add(entry))})

    def save_allergy(self) -> Response:
        """Put the entry into the allergy list."""
        return self._settled(Scratchpad.save_allergy)

    def _settled(self, settle: Callable[[Scratchpad, Any], list[dict[str, Any]]]) -> Response:
        pad, store = self._pad(_patient(_asked())), self._hospital.store
        if store is None:
            return jsonify({"problem": "this server's charts are read only"})
        return jsonify({"placed": [reference_of(each) for each in settle(pad, store)]})

    def _bedside(self, patient: str, asked: dict[str, Any]) -> Bedside:
        found = self._hospital.moment("patient-view", patient)
        encounter = found.encounter if isinstance(found, Moment) else None
        return Bedside(patient, self._clock(), encounter, str(asked.get("user") or DOCTOR))

    def _pad(self, patient: str) -> Scratchpad:
        with self._lock:
            if patient not in self._pads:
                told = self._hospital.entered.get(patient, Entered())
                self._pads[patient] = Scratchpad(self._clock, told)
            return self._pads[patient]


def add_routes(app: Flask, entry: OrderEntry) -> None:
    """Put the order entry under `/ehr`."""
    app.add_url_rule("/ehr/orderables", "orderables", entry.offered)
    app.add_url_rule("/ehr/patients/<patient>/entered", "entered", entry.shown)
    app.add_url_rule("/ehr/orders", "order", entry.order, methods=["POST"])
    app.add_url_rule("/ehr/orders/remove", "remove", entry.remove, methods=["POST"])
    app.add_url_rule("/ehr/orders/sign", "sign", entry.sign, methods=["POST"])
    app.add_url_rule("/ehr/allergies", "enter_allergy", entry.enter_allergy, methods=["POST"])
    app.add_url_rule("/ehr/allergies/save", "save_allergy", entry.save_allergy, methods=["POST"])


def _choices(found: Allergens) -> dict[str, Any]:
    return {name: [{"code": c, "text": t} for c, t in rows.items()] for name, rows in asdict(found).items()}


def _line(draft: dict[str, Any]) -> dict[str, str]:
    """Write a draft as one line of the scratchpad."""
    named = draft.get("medicationCodeableConcept") or draft.get("code")
    instructions = draft.get("dosageInstruction") or [{}]
    return {"reference": reference_of(draft), "text": words(named), "sig": str(instructions[0].get("text", ""))}


def _patient(asked: dict[str, Any]) -> str:
    return str(asked.get("patient"))


def _asked() -> dict[str, Any]:
    # get_json demands the JSON media type: a form on another site cannot send it.
    asked = request.get_json()
    if not isinstance(asked, dict):
        abort(HTTPStatus.BAD_REQUEST)
    return asked
