"""The EHR's web application: its pages, the data they ask for, and the FHIR server beside them."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from flask import Flask, Response, abort, jsonify, request

from sandbox.choices import PREFETCHINGS, TOKEN_STATES
from sandbox.client import HOOKS, Call, CdsClient, Faults, NoServices
from sandbox.ehr.access import HEALTHS
from sandbox.ehr.errors import Refused
from sandbox.ehr.routes import fhir_blueprint
from sandbox.hospital import Hospital, NotFired
from sandbox.keys import KEPT
from sandbox.pages.charting import chart_of
from sandbox.pages.order_entry import OrderEntry, add_routes
from sandbox.patients.builder import DOCTOR
from sandbox.reading import breaches
from sandbox.signing import Signer

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_REMEMBERED_CALLS: Final = 500
# A page elsewhere that resolves its own name to this machine still sends its own name.
_HOSTS: Final = frozenset({"127.0.0.1", "localhost"})


class _Calls:
    """The calls whose cards may still be answered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: OrderedDict[str, Call] = OrderedDict()

    def remember(self, call: Call) -> None:
        with self._lock:
            self._calls[call.id] = call
            while len(self._calls) > _REMEMBERED_CALLS:
                self._calls.popitem(last=False)

    def card(self, asked: dict[str, Any]) -> tuple[Call, dict[str, Any]]:
        """Find the card that the page speaks of, or answer 404."""
        with self._lock:
            call = self._calls.get(str(asked.get("call")))
        place = asked.get("card")
        if call is None or not isinstance(place, int) or not 0 <= place < len(call.cards):
            abort(HTTPStatus.NOT_FOUND)
        return call, call.cards[place]


class _Desk:
    """What the pages can ask for."""

    def __init__(
        self,
        hospital: Hospital,
        client: CdsClient,
        clock: Callable[[], datetime],
        signer: Signer | None,
    ) -> None:
        self._hospital = hospital
        self._client = client
        self._clock = clock
        self._signer = signer
        self._calls = _Calls()
        self.entry = OrderEntry(hospital, clock)

    def patients(self) -> Response:
        return jsonify([asdict(patient) for patient in self._hospital.patients()])

    def chart(self, patient: str) -> Response:
        return jsonify(chart_of(self._hospital.charts, patient, self._clock()))

    def services(self) -> Response:
        about: dict[str, Any] = {
            "base": self._client.base,
            "fhir": self._hospital.charts.base,
            "doctor": DOCTOR,
            "signing": self._signing(),
        }
        try:
            return jsonify({**about, "services": [_plain(entry) for entry in self._client.discover()]})
        except NoServices as error:
            return jsonify({**about, "services": [], "problem": str(error)})

    def _signing(self) -> dict[str, Any] | None:
        """Tell what a CDS service knows this EHR by; None for an EHR that does not sign."""
        if self._signer is None:
            return None
        keys = self._signer.keys
        key, newest = keys.current, keys.newest
        pending = None if newest is key else {"key": newest.id, "signsFrom": newest.signs_from.isoformat()}
        return {**asdict(self._signer.registration), "algorithm": key.algorithm, "key": key.id, "next": pending}

    def published_keys(self) -> Response:
        """Answer with the public keys that the tokens of this EHR are checked with."""
        if self._signer is None:
            abort(HTTPStatus.NOT_FOUND)
        answer = jsonify(self._signer.keys.published())
        answer.headers["Cache-Control"] = f"public, max-age={KEPT.seconds}"
        return answer

    def rotate_key(self) -> Response:
        """Publish a new key, and sign with it a little later."""
        _asked()
        if self._signer is None:
            abort(HTTPStatus.NOT_FOUND)
        self._signer.keys.rotate()
        return jsonify(self._signing())

    def call(self) -> Response:
        """Fire one hook at one service."""
        asked = _asked()
        entries = [e for e in self._client.discover() if (e.id, e.hook) == (asked.get("service"), asked.get("hook"))]
        if not entries:
            abort(HTTPStatus.NOT_FOUND)
        if entries[0].hook not in HOOKS:
            return jsonify({"skipped": "this EHR does not fire the hook"})
        patient, user, picked = str(asked.get("patient")), str(asked.get("user") or DOCTOR), asked.get("picked")
        moment = self.entry.moment(entries[0].hook, patient, user, None if picked is None else str(picked))
        if isinstance(moment, NotFired):
            return jsonify({"skipped": moment.why})
        call = self._client.call(entries[0], moment, _faults(asked))
        self._calls.remember(call)
        wrong = breaches(call.response) if call.status == HTTPStatus.OK else []
        return jsonify(
            {
                "id": call.id,
                "service": _plain(call.service),
                "token": call.token,
                "request": call.request,
                "status": call.status,
                "response": call.response,
                "problem": call.problem,
                "milliseconds": round(call.milliseconds, 1),
                "breaches": wrong,
            },
        )

    def accept(self) -> Response:
        """Put a suggestion's actions into the chart and report it."""
        asked = _asked()
        call, card = self._calls.card(asked)
        place, suggestions = asked.get("suggestion"), card.get("suggestions", [])
        if not isinstance(place, int) or not 0 <= place < len(suggestions):
            abort(HTTPStatus.NOT_FOUND)
        suggestion = suggestions[place]
        patient = str(call.request["context"]["patientId"])
        applied = self.entry.applied(patient, suggestion.get("actions", []), call.service.hook)
        if not (card.get("uuid") and suggestion.get("uuid")):
            return jsonify({"applied": applied, "feedback": None})
        status, _ = self._client.accepted(call.service.id, card["uuid"], [suggestion["uuid"]], self._clock())
        return jsonify({"applied": applied, "feedback": status})

    def override(self) -> Response:
        """Report that a card was rejected."""
        asked = _asked()
        call, card = self._calls.card(asked)
        place, reasons = asked.get("reason"), card.get("overrideReasons", [])
        reason = reasons[place] if isinstance(place, int) and 0 <= place < len(reasons) else None
        if not card.get("uuid"):
            return jsonify({"feedback": None})
        comment = str(asked.get("comment") or "").strip() or None
        chosen = {k: reason[k] for k in ("code", "system", "display") if k in reason} if reason else None
        status, _ = self._client.overridden(
            call.service.id, card["uuid"], self._clock(), reason=chosen, comment=comment
        )  # fmt: skip
        return jsonify({"feedback": status})


def create_ehr_app(
    hospital: Hospital,
    client: CdsClient,
    clock: Callable[[], datetime],
    signer: Signer | None = None,
) -> Flask:
    """Build the EHR; the FHIR server stands under `/fhir` when the charts are the sandbox's own."""
    app = Flask("sandbox.pages", static_folder="static", static_url_path="/static")
    # The page shows messages as they went over the wire: members keep their order.
    app.json.sort_keys = False  # type: ignore[attr-defined]
    desk = _Desk(hospital, client, clock, signer)
    app.add_url_rule("/", "page", lambda: app.send_static_file("index.html"))
    app.add_url_rule("/ehr/patients", "patients", desk.patients)
    app.add_url_rule("/ehr/patients/<patient>", "chart", desk.chart)
    app.add_url_rule("/ehr/services", "services", desk.services)
    app.add_url_rule("/ehr/calls", "call", desk.call, methods=["POST"])
    app.add_url_rule("/ehr/rotate-key", "rotate_key", desk.rotate_key, methods=["POST"])
    app.add_url_rule("/.well-known/jwks.json", "jwks", desk.published_keys)
    app.add_url_rule("/ehr/accept", "accept", desk.accept, methods=["POST"])
    app.add_url_rule("/ehr/override", "override", desk.override, methods=["POST"])
    add_routes(app, desk.entry)
    if hospital.server is not None:
        app.register_blueprint(fhir_blueprint(hospital.server, hospital.grants), url_prefix="/fhir")
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(NoServices, _no_services)
    app.before_request(_require_loopback_name)
    app.after_request(_guarded)
    return app


def _plain(entry: Any) -> dict[str, Any]:
    return {**asdict(entry), "prefetch": dict(entry.prefetch)}


def _asked() -> dict[str, Any]:
    # get_json demands the JSON media type: a form on another site cannot send it.
    asked = request.get_json()
    if not isinstance(asked, dict):
        abort(HTTPStatus.BAD_REQUEST)
    return asked


def _faults(asked: dict[str, Any]) -> Faults:
    prefetch, server, token = asked.get("prefetch", "complete"), asked.get("server", "well"), asked.get("token", "good")
    without = asked.get("without", [])
    is_known = prefetch in PREFETCHINGS and server in HEALTHS and token in TOKEN_STATES
    if not is_known or not isinstance(without, list):
        abort(HTTPStatus.BAD_REQUEST)
    return Faults(prefetch, tuple(str(key) for key in without), server, token)


def _refused(refused: Refused) -> tuple[Response, int]:
    return jsonify({"problem": refused.text}), refused.status


def _no_services(error: NoServices) -> tuple[Response, int]:
    return jsonify({"problem": str(error)}), HTTPStatus.BAD_GATEWAY


def _require_loopback_name() -> None:
    if request.host.partition(":")[0] not in _HOSTS:
        abort(HTTPStatus.MISDIRECTED_REQUEST)


def _guarded(answer: Response) -> Response:
    answer.headers["Content-Security-Policy"] = _POLICY
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers.setdefault("Cache-Control", "no-store")
    return answer
