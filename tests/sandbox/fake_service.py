"""A small CDS service that answers by the book, for testing the EHR side alone."""

from collections.abc import Callable
from typing import Any

import requests
from flask import Flask, jsonify, request

PREFETCH = {
    "patient": "Patient/{{context.patientId}}",
    "weights": "Observation?patient={{context.patientId}}&code=http://loinc.org|29463-7&_sort=-date",
    "user": "Practitioner/{{userPractitionerId}}",
    "role": "PractitionerRole/{{userPractitionerRoleId}}",
    "nothing": "Patient/nobody",
}
CARD: dict[str, Any] = {
    "uuid": "5f3e9f5e-3a0b-4c43-9df5-1c3fb6cf3f01",
    "summary": "One thing to consider",
    "indicator": "warning",
    "source": {"label": "Fake guidance", "url": "https://guidance.example/x"},
    "detail": "**Weight** from\n\n| what | value |\n| --- | --- |\n| weight \\| kg | <b>80</b> |\n\n[more](https://x.example/)",
    "selectionBehavior": "any",
    "suggestions": [
        {
            "label": "Order a weight",
            "uuid": "5f3e9f5e-3a0b-4c43-9df5-1c3fb6cf3f02",
            "isRecommended": True,
            "actions": [
                {
                    "type": "create",
                    "description": "Order a body weight",
                    "resource": {
                        "resourceType": "ServiceRequest",
                        "status": "draft",
                        "intent": "order",
                        "code": {"text": "Body weight"},
                        "subject": {"reference": "Patient/wren"},
                    },
                },
            ],
        },
        {"label": "Talk about it", "uuid": "5f3e9f5e-3a0b-4c43-9df5-1c3fb6cf3f03"},
    ],
    "overrideReasons": [
        {"code": "aware", "system": "urn:reasons", "display": "Aware and will monitor"},
        {"code": "wrong", "system": "urn:reasons", "display": "Data are wrong"},
    ],
    "links": [
        {"label": "Guideline", "url": "https://guidance.example/g", "type": "absolute"},
        {"label": "App", "url": "https://app.example/launch", "type": "smart"},
    ],
}
SERVICES = [
    {"id": "fake", "hook": "patient-view", "description": "Says one thing", "title": "Fake", "prefetch": PREFETCH},
    {"id": "quiet", "hook": "encounter-start", "description": "Says nothing"},
    {"id": "orders", "hook": "order-sign", "description": "Needs an order"},
]


def create_fake_service(
    *,
    card: dict[str, Any] | None = None,
    status: int = 200,
    admits: Callable[[str, str], bool] = lambda _authorization, _url: True,
) -> Flask:
    """Build the service; `app.config["seen"]` lists every request body, `["tried"]` what its FHIR reads gave.

    `admits` is asked about each request's Authorization header and URL; whom it does not admit is answered 401.
    """
    app = Flask("fake-service")
    app.json.sort_keys = False  # type: ignore[attr-defined]
    seen: list[Any] = []
    tried: list[int] = []
    app.config.update(seen=seen, tried=tried)

    @app.before_request
    def guard() -> Any:
        if not request.path.startswith("/cds-services") or admits(
            request.headers.get("Authorization", ""), request.base_url
        ):
            return None
        issue = {"severity": "error", "code": "login", "details": {"text": "Not trusted."}}
        return jsonify({"resourceType": "OperationOutcome", "issue": [issue]}), 401

    @app.get("/health/ready")
    def ready() -> Any:
        return jsonify({})

    @app.get("/cds-services")
    def discovery() -> Any:
        return jsonify({"services": SERVICES})

    @app.post("/cds-services/<service>")
    def call(service: str) -> Any:
        body = request.get_json()
        seen.append(body)
        authorization = body.get("fhirAuthorization")
        if authorization:
            token = authorization["access_token"]
            url = f"{body['fhirServer']}/Patient/{body['context']['patientId']}"
            headers = {"Authorization": f"Bearer {token}"}
            tried.append(requests.get(url, headers=headers, timeout=5).status_code)
        if status != 200:
            issue = {"severity": "error", "code": "processing", "details": {"text": "A fixed sentence."}}
            return jsonify({"resourceType": "OperationOutcome", "issue": [issue]}), status
        return jsonify({"cards": [card or CARD] if service == "fake" else []})

    @app.post("/cds-services/<service>/feedback")
    def feedback(service: str) -> Any:
        seen.append(request.get_json())
        return jsonify({})

    return app
