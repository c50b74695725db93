"""What discovery says of a service, checked as it is declared: a bad template stops the start-up, not a call."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import orjson

from cds_hooks.protocol import checks
from cds_hooks.protocol.checks import ImpossibleMessage
from cds_hooks.protocol.hooks import HOOKS, Hook
from cds_hooks.protocol.templates import check_template

SPECIFICATION = "2.0.1"  # what we implement and emit; 1.0 and 3.0 are understood on the way in

_ID = re.compile(r"[A-Za-z0-9._~-]+")
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")


@dataclass(frozen=True, slots=True)
class DiscoveryEntry:
    """One service at one hook. `hook_version` is the published one; it is left out where the library is unsure."""

    id: str
    hook: Hook
    title: str
    description: str
    _: KW_ONLY
    prefetch: Mapping[str, str] = field(default_factory=dict)
    usage_requirements: str | None = None
    version: str = SPECIFICATION
    hook_version: str | None = None
    extension: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if _ID.fullmatch(self.id) is None or not self.id.strip("."):
            raise ImpossibleMessage("a service id is not a URL segment")
        if self.hook not in HOOKS:
            raise ImpossibleMessage("a hook is not one of the library's")
        checks.check_line(self.title)
        checks.check_markdown(self.description)
        if self.usage_requirements is not None:
            checks.check_markdown(self.usage_requirements)
        if _VERSION.fullmatch(self.version) is None:
            raise ImpossibleMessage("a version is not a semantic one")
        published = HOOKS[self.hook].hook_version
        if self.hook_version not in {None, published}:
            raise ImpossibleMessage("a hook version is not the published one")
        for key, template in self.prefetch.items():
            checks.check_line(key)
            check_template(template, self.hook)
        object.__setattr__(self, "hook_version", published)
        object.__setattr__(self, "extension", checks.check_extension(self.extension))

    def to_object(self) -> dict[str, Any]:
        """The entry as discovery gives it; an optional member without a value is left out."""
        members = {
            "hook": self.hook.value,
            "title": self.title,
            "description": self.description,
            "id": self.id,
            "prefetch": dict(self.prefetch),
            "usageRequirements": self.usage_requirements,
            "version": self.version,
            "hookVersion": self.hook_version,
            "extension": self.extension,
        }
        return {name: value for name, value in members.items() if value}


def discovery_json(entries: Iterable[DiscoveryEntry]) -> bytes:
    """The answer to discovery, `services` always there; refuses two entries of one service at one hook (DISC-13)."""
    return orjson.dumps({"services": list(_each_once(entries))})


def _each_once(entries: Iterable[DiscoveryEntry]) -> Iterator[dict[str, Any]]:
    seen: set[tuple[str, Hook]] = set()
    for entry in entries:
        if (entry.id, entry.hook) in seen:
            raise ImpossibleMessage("a service is listed twice at one hook")
        seen.add((entry.id, entry.hook))
        yield entry.to_object()
