"""The FHIR server's HTTP face."""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

import orjson
from flask import Blueprint, Flask, Response, request

from sandbox.ehr.access import Grant, Grants
from sandbox.ehr.errors import Refused
from sandbox.ehr.server import FhirServer
from sandbox.ehr.store import Resource

_MEDIA_TYPE: Final = "application/fhir+json"
_ACCEPTED: Final = ("application/fhir+json", "application/json")
SLOWNESS_SECONDS: Final = 1.5
_EXTRA_HEADERS: Final = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate", "Bearer"),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Retry-After", "1"),
}


class _Views:
    """One method a FHIR interaction. Without `grants` all may read and write; with them, bearers may read."""

    def __init__(self, server: FhirServer, grants: Grants | None, wait: Callable[[float], None]) -> None:
        self._server = server
        self._grants = grants
        self._wait = wait

    def metadata(self) -> Response:
        return _answer(self._server.capabilities())

    def read(self, kind: str, identity: str) -> Response:
        return _resource(self._server.read(kind, identity, grant=self._grant()))

    def read_version(self, kind: str, identity: str, version: str) -> Response:
        found = self._server.read(kind, identity, grant=self._grant())
        if found["meta"]["versionId"] != version:
            raise Refused(404, "not-found", "Only the newest version is kept.")
        return _resource(found)

    def search(self, kind: str) -> Response:
        grant, pairs = self._grant(), list(request.args.items(multi=True))
        return _answer(self._server.search(kind, pairs, strict=_strict(), grant=grant))

    def search_by_post(self, kind: str) -> Response:
        if request.mimetype != "application/x-www-form-urlencoded":
            raise Refused(415, "not-supported", "_search takes a form.")
        grant, pairs = self._grant(), [*request.args.items(multi=True), *request.form.items(multi=True)]
        return _answer(self._server.search(kind, pairs, strict=_strict(), grant=grant))

    def batch(self) -> Response:
        return _answer(self._server.batch(_body(), grant=self._grant()))

    def create(self, kind: str) -> Response:
        stored = self._server.store.add(self._written(kind))
        answer = _resource(stored, HTTPStatus.CREATED)
        version = stored["meta"]["versionId"]
        answer.headers["Location"] = f"{self._server.base}/{kind}/{stored['id']}/_history/{version}"
        return answer

    def update(self, kind: str, identity: str) -> Response:
        body = self._written(kind)
        if body.get("id") != identity:
            raise Refused(400, "invalid", "The id of the body differs from the address.")
        status = HTTPStatus.OK if self._server.store.holds(kind, identity) else HTTPStatus.CREATED
        return _resource(self._server.store.put(body), status)

    def delete(self, kind: str, identity: str) -> Response:
        self._require_writable()
        self._server.store.delete(kind, identity)
        return Response(status=HTTPStatus.NO_CONTENT)

    def unknown(self, anything: str) -> Response:
        del anything
        raise Refused(404, "not-supported", "This server has no such operation.")

    def _grant(self) -> Grant | None:
        if self._grants is None:
            return None
        grant = self._grants.find(request.headers.get("Authorization", ""))
        if grant is None:
            raise Refused(401, "login", "A valid bearer token is needed.")
        if grant.health == "failing":
            raise Refused(503, "transient", "The FHIR server is switched to failing.")
        if grant.health == "slow":
            self._wait(SLOWNESS_SECONDS)
        return grant

    def _require_writable(self) -> None:
        if self._grants is not None:
            raise Refused(403, "forbidden", "A call's token may only read.")

    def _written(self, kind: str) -> Resource:
        self._require_writable()
        body = _body()
        if not isinstance(body, dict) or body.get("resourceType") != kind:
            raise Refused(400, "invalid", "The body is not a resource of this type.")
        return body


def fhir_blueprint(
    server: FhirServer,
    grants: Grants | None = None,
    *,
    wait: Callable[[float], None] = time.sleep,
) -> Blueprint:
    """Build the blueprint: open and writable without `grants`, else read-only and only for their bearers."""
    blueprint = Blueprint("fhir", __name__)
    views = _Views(server, grants, wait)
    for method, rule, view in (
        ("GET", "/metadata", views.metadata),
        ("GET", "/<kind>/<identity>", views.read),
        ("GET", "/<kind>/<identity>/_history/<version>", views.read_version),
        ("GET", "/<kind>", views.search),
        ("POST", "/<kind>/_search", views.search_by_post),
        ("POST", "", views.batch),
        ("POST", "/", views.batch),
        ("POST", "/<kind>", views.create),
        ("PUT", "/<kind>/<identity>", views.update),
        ("DELETE", "/<kind>/<identity>", views.delete),
    ):
        blueprint.add_url_rule(rule, f"{method} {rule}".replace(".", ""), view, methods=[method])
    blueprint.add_url_rule("/<path:anything>", "unknown", views.unknown, methods=["GET", "POST", "PUT", "DELETE"])
    blueprint.before_request(_require_acceptable)
    blueprint.register_error_handler(Refused, _refused)
    return blueprint


def create_fhir_app(server: FhirServer, grants: Grants | None = None) -> Flask:
    """Build an application with nothing but the FHIR server, under `/fhir`."""
    app = Flask("sandbox.ehr", static_folder=None)
    app.register_blueprint(fhir_blueprint(server, grants), url_prefix="/fhir")
    return app


def _require_acceptable() -> None:
    # A version parameter (`fhirVersion=4.0`) may follow the media type.
    accepted = [media_type.partition(";")[0] for media_type in request.accept_mimetypes.values()]
    if accepted and not {*_ACCEPTED, "application/*", "*/*"}.intersection(accepted):
        raise Refused(406, "not-supported", "Only FHIR JSON is spoken here.")


def _refused(refused: Refused) -> Response:
    answer = _answer(refused.outcome(), refused.status)
    if refused.status in _EXTRA_HEADERS:
        name, value = _EXTRA_HEADERS[HTTPStatus(refused.status)]
        answer.headers[name] = value
    return answer


def _strict() -> bool:
    return "handling=strict" in request.headers.get("Prefer", "").replace(" ", "")


def _body() -> Any:
    if request.mimetype not in _ACCEPTED:
        raise Refused(415, "not-supported", "Only FHIR JSON is read here.")
    try:
        return orjson.loads(request.get_data())
    except orjson.JSONDecodeError as error:
        raise Refused(400, "invalid", "The body is not JSON.") from error


def _resource(resource: Resource, status: int = HTTPStatus.OK) -> Response:
    answer = _answer(resource, status)
    answer.headers["ETag"] = f'W/"{resource["meta"]["versionId"]}"'
    return answer


def _answer(resource: Resource, status: int = HTTPStatus.OK) -> Response:
    return Response(orjson.dumps(resource), status, mimetype=_MEDIA_TYPE)
