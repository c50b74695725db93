"""What a reply holds: the resource that was asked for, or why there is none."""

from collections.abc import Callable
from typing import Any, Final

import orjson

from fhir_client.answers import Answer, page_of
from fhir_client.elements import Resource
from fhir_client.errors import BadResource, FhirError, NotFound, Reason, Refused, Unreachable, error_of
from fhir_client.outcomes import reason_of
from fhir_client.questions import Parameters
from fhir_client.releases import release_of, version_in
from fhir_client.retrying import TRANSIENT
from fhir_client.transport import Reply

_SERVER_FAILED: Final = 500
_NOT_IMPLEMENTED: Final = 501  # nor will it be a moment later


def resource_in(reply: Reply) -> Resource:
    """Read the resource of a successful reply; the body of any other is not looked at.

    Raises:
        FhirError: there is none.
    """
    error = error_of(reply.status)
    if error is not None:
        raise error
    media_type = reply.media_type
    if media_type and not media_type.endswith("json") and "json+" not in media_type:
        raise BadResource(Reason.NOT_FHIR)
    version = version_in(reply.headers.get("Content-Type", ""))
    if version is not None and release_of(version) is None:
        raise BadResource(Reason.VERSION)
    resource = checked(_parsed(reply.body))
    if resource["resourceType"] == "OperationOutcome":
        raise error_in(resource)
    return resource


def checked(value: Any) -> Resource:
    """Give what is a resource.

    Raises:
        BadResource: it is none.
    """
    if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str):
        raise BadResource(Reason.NOT_FHIR)
    return value


def error_in(outcome: Resource) -> FhirError:
    """Give the error that an OperationOutcome in place of the data stands for (FHIR-67)."""
    reason = reason_of([outcome])
    if reason is Reason.DENIED:
        return Refused(reason)
    return Unreachable(reason) if reason is Reason.BUSY else BadResource(reason)


def is_transient(reply: Reply) -> bool:
    """Tell whether the same question may be answered a moment later: by the status, or by what the body says of it."""
    if reply.status in TRANSIENT:
        return True
    if reply.status < _SERVER_FAILED or reply.status == _NOT_IMPLEMENTED:
        return False
    try:
        outcome = checked(_parsed(reply.body))
    except BadResource:
        return False
    return outcome["resourceType"] == "OperationOutcome" and reason_of([outcome]) is Reason.BUSY


def page_in(bundle: Resource, asked: Parameters = ()) -> Answer:
    """Read a searchset page.

    Raises:
        BadResource: it is another resource.
    """
    if bundle["resourceType"] != "Bundle":
        raise BadResource(Reason.NOT_ASKED_FOR)
    return page_of(bundle, asked)


def first_page_in(bundle: Resource, resource_type: str, asked: Parameters) -> Answer:
    """Read what a search found; if all of it is of other types, the search was not answered, and nothing is known.

    Raises:
        BadResource: it was not answered.
    """
    answer = page_in(bundle, asked)
    if answer.resources and all(resource.get("resourceType") != resource_type for resource in answer.resources):
        raise BadResource(Reason.NOT_ASKED_FOR)
    return answer


def one_in(resource: Resource, resource_type: str, resource_id: str, *, etag: str | None) -> Resource:
    """Give a resource that was read if it is the one that was asked for (FHIR-51), with its version (FHIR-62).

    Raises:
        BadResource: it is another.
    """
    if (resource["resourceType"], resource.get("id")) != (resource_type, resource_id):
        raise BadResource(Reason.NOT_ASKED_FOR)
    version = None if etag is None else etag.strip().removeprefix("W/").strip('"')
    meta = resource.get("meta")
    if version and not (isinstance(meta, dict) and meta.get("versionId")):
        return {**resource, "meta": {**(meta if isinstance(meta, dict) else {}), "versionId": version}}
    return resource


def answer_to_read(read: Callable[[], Resource]) -> Answer:
    """Make the answer of a read. What is not there is an answer: the server looked.

    Of a search it would mean that the server cannot search.

    Raises:
        FhirError: it could not be read.
    """
    try:
        return Answer((read(),))
    except NotFound as error:
        return Answer(reason=error.reason)


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadResource(Reason.NOT_FHIR) from None  # the cause holds the whole body
