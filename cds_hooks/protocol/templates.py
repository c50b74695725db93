"""Prefetch templates: a read or a type search, in the query subset that every client can follow (PRE-1 to PRE-9)."""

import re

from cds_hooks.protocol.checks import ImpossibleMessage
from cds_hooks.protocol.hooks import HOOKS, Hook

USER_TOKENS = ("userPractitionerId", "userPractitionerRoleId", "userPatientId", "userRelatedPersonId")

_TOKEN = re.compile(r"\{\{([^{}]*)\}\}")
_READ = re.compile(r"[A-Z][A-Za-z]+/(?:[\w.-]+|\{\{[^{}]*\}\})", re.ASCII)
_SEARCH = re.compile(r"([A-Z][A-Za-z]+)\?(.+)", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9-]*(?::in)?", re.ASCII)
_OF_ANY_TYPE = frozenset({"_id", "_lastUpdated"})
# Only equality and these comparisons are in the subset: `eq lt gt ge le`.
_REFUSED_PREFIX = re.compile(r"(?:ne|sa|eb|ap)(?=\d|\{\{)")
_SORT = re.compile(r"-?[a-zA-Z_-]+(?:,-?[a-zA-Z_-]+)*")
_UNSAFE = re.compile(r"[\s#\\\"<>]")


def check_template(template: str, hook: Hook) -> None:
    """Refuse a template that some client of this hook could not follow, or would follow elsewhere."""
    for token in _TOKEN.findall(template):
        _check_token(token, hook)
    if "{" in _TOKEN.sub("", template) or "}" in _TOKEN.sub("", template):
        raise ImpossibleMessage("a prefetch template has a broken token")
    if template == "{{context.userId}}":  # Type/id, thus itself a read (PRE-6)
        return
    if _UNSAFE.search(template) or "_history" in template or "$" in template:
        raise ImpossibleMessage("a prefetch template is neither a read nor a type search")
    if _READ.fullmatch(template):
        return
    search = _SEARCH.fullmatch(template)
    if search is None:
        raise ImpossibleMessage("a prefetch template is neither a read nor a type search")
    for parameter in search.group(2).split("&"):
        _check_parameter(*parameter.partition("="))


def _check_token(token: str, hook: Hook) -> None:
    definition = HOOKS[hook]
    if token in USER_TOKENS and definition.users:
        return
    if token.removeprefix("context.") not in definition.tokens or not token.startswith("context."):
        raise ImpossibleMessage("a prefetch token is not one of the hook's")


def _check_parameter(name: str, equals: str, value: str) -> None:
    if not equals or not value:
        raise ImpossibleMessage("a search parameter has no value")
    if name in {"_count", "_maxresults"}:
        fits = value.isascii() and value.isdigit() and int(value) > 0
    elif name == "_sort":
        fits = _SORT.fullmatch(value) is not None
    else:
        fits = name in _OF_ANY_TYPE or _NAME.fullmatch(name) is not None
        fits = fits and not any(_REFUSED_PREFIX.match(part) for part in value.split(","))
    if not fits:
        raise ImpossibleMessage("a search parameter is not in the subset that every client can follow")
