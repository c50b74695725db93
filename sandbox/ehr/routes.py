"""The FHIR server's HTTP face."""

import time
from collections.abc import Callable
from typing import Any, Final

import orjson
from flask import Blueprint, Response, request

from sandbox.ehr.access import Grant, Grants
from sandbox.ehr.errors import Refused
from sandbox.ehr.server import FhirServer
from sandbox.ehr.store import Resource

_MEDIA_TYPE: Final = "application/fhir+json"
_ACCEPTED: Final = ("application/fhir+json", "application/json", "application/*", "*/*")
_READABLE: Final = ("application/fhir+json", "application/json")
SLOWNESS_SECONDS: Final = 1.5


def fhir_blueprint(
    server: FhirServer,
    grants: Grants | None = None,
    *,
    wait: Callable[[float], None] = time.sleep,
) -> Blueprint:
    """Build the blueprint: open and writable without `grants`, else read-only and only for their bearers."""
    blueprint = Blueprint("fhir", __name__)

    def grant_of_request() -> Grant | None:
        if grants is None:
            return None
        grant = grants.find(request.headers.get("Authorization", ""))
        if grant is None:
            raise Refused(401, "login", "A valid bearer token is needed.")
        if grant.health == "failing":
            raise Refused(503, "transient", "The FHIR server is switched to failing.")
        if grant.health == "slow":
            wait(SLOWNESS_SECONDS)
        return grant

    def require_writable() -> None:
        if grants is not None:
            raise Refused(403, "forbidden", "A call's token may only read.")

    def resource_of_body(kind: str) -> Resource:
        require_writable()
        body = _body()
        if not isinstance(body, dict) or body.get("resourceType") != kind:
            raise Refused(400, "invalid", "The body is not a resource of this type.")
        return body

    @blueprint.before_request
    def _acceptable() -> None:
        if not request.accept_mimetypes.best_match(_ACCEPTED) and request.accept_mimetypes:
            raise Refused(406, "not-supported", "Only FHIR JSON is spoken here.")

    @blueprint.errorhandler(Refused)
    def _refused(refused: Refused) -> Response:
        answer = _answer(refused.outcome(), refused.status)
        if refused.status == 401:
            answer.headers["WWW-Authenticate"] = "Bearer"
        if refused.status == 503:
            answer.headers["Retry-After"] = "1"
        return answer

    @blueprint.get("/metadata")
    def metadata() -> Response:
        return _answer(server.capabilities())

    @blueprint.get("/<kind>/<identity>")
    def read(kind: str, identity: str) -> Response:
        return _resource(server.read(kind, identity, grant=grant_of_request()))

    @blueprint.get("/<kind>/<identity>/_history/<version>")
    def read_version(kind: str, identity: str, version: str) -> Response:
        found = server.read(kind, identity, grant=grant_of_request())
        if found["meta"]["versionId"] != version:
            raise Refused(404, "not-found", "Only the newest version is kept.")
        return _resource(found)

    @blueprint.get("/<kind>")
    def search(kind: str) -> Response:
        grant = grant_of_request()
        return _answer(server.search(kind, list(request.args.items(multi=True)), strict=_strict(), grant=grant))

    @blueprint.post("/<kind>/_search")
    def search_by_post(kind: str) -> Response:
        if request.mimetype != "application/x-www-form-urlencoded":
            raise Refused(415, "not-supported", "_search takes a form.")
        grant = grant_of_request()
        pairs = [*request.args.items(multi=True), *request.form.items(multi=True)]
        return _answer(server.search(kind, pairs, strict=_strict(), grant=grant))

    @blueprint.post("")
    @blueprint.post("/")
    def batch() -> Response:
        return _answer(server.batch(_body(), grant=grant_of_request()))

    @blueprint.post("/<kind>")
    def create(kind: str) -> Response:
        stored = server.store.add(resource_of_body(kind))
        answer = _resource(stored, 201)
        version = stored["meta"]["versionId"]
        answer.headers["Location"] = f"{server.base}/{kind}/{stored['id']}/_history/{version}"
        return answer

    @blueprint.put("/<kind>/<identity>")
    def update(kind: str, identity: str) -> Response:
        body = resource_of_body(kind)
        if body.get("id") != identity:
            raise Refused(400, "invalid", "The id of the body differs from the address.")
        created = not server.store.holds(kind, identity)
        return _resource(server.store.put(body), 201 if created else 200)

    @blueprint.delete("/<kind>/<identity>")
    def delete(kind: str, identity: str) -> Response:
        require_writable()
        server.store.delete(kind, identity)
        return Response(status=204)

    @blueprint.route("/<path:anything>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def unknown(anything: str) -> Response:
        del anything
        raise Refused(404, "not-supported", "This server has no such operation.")

    return blueprint


def _strict() -> bool:
    return "handling=strict" in request.headers.get("Prefer", "").replace(" ", "")


def _body() -> Any:
    if request.mimetype not in _READABLE:
        raise Refused(415, "not-supported", "Only FHIR JSON is read here.")
    try:
        return orjson.loads(request.get_data())
    except orjson.JSONDecodeError as error:
        raise Refused(400, "invalid", "The body is not JSON.") from error


def _resource(resource: Resource, status: int = 200) -> Response:
    answer = _answer(resource, status)
    answer.headers["ETag"] = f'W/"{resource["meta"]["versionId"]}"'
    return answer


def _answer(resource: Resource, status: int = 200) -> Response:
    return Response(orjson.dumps(resource), status, mimetype=_MEDIA_TYPE)
