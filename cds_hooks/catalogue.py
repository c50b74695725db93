"""Finds the services, checks them all before the first request, and looks one up by id."""

import pkgutil
import re
from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.metadata import entry_points

from cds_hooks import services as services_package
from cds_hooks.errors import UnknownService
from cds_hooks.policy import Policy, ReleaseState
from cds_hooks.protocol.discovery import DiscoveryEntry
from cds_hooks.protocol.hooks import HOOKS
from cds_hooks.service import Service

ENTRY_POINTS = "chartside.services"
_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*")


class CatalogueError(Exception):
    """The services cannot be offered together; names every reason at once."""

    def __init__(self, problems: Iterable[str]) -> None:
        """Keep the problems, one line each."""
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class Catalogue:
    """The services of this installation, keyed by id; discovery has one entry for each (id, hook)."""

    def __init__(self, services: Iterable[Service]) -> None:
        """Check all services together.

        Raises:
            CatalogueError: two share an id, one has no hook, or its prefetch templates break the specification.
        """
        self._services: dict[str, Service] = {}
        problems: list[str] = []
        for service in services:
            if service.id in self._services:
                problems.append(f"two services have the id {service.id}")
            self._services[service.id] = service
            problems.extend(_problems_of(service))
        if problems:
            raise CatalogueError(problems)

    @classmethod
    def found(cls) -> "Catalogue":
        """Gather Chartside's own services and those that other packages bring through `chartside.services`."""
        return cls([*_own_services(), *_services_of_others()])

    @property
    def services(self) -> tuple[Service, ...]:
        """Give all services in order of id."""
        return tuple(sorted(self._services.values(), key=lambda service: service.id))

    def get(self, service_id: str, policy: Policy) -> Service:
        """Look a service up.

        Raises:
            UnknownService: there is none of that id, or the site has switched it off.
        """
        service = self._services.get(service_id)
        if service is None or policy.release(service).state is ReleaseState.OFF:
            raise UnknownService
        return service

    def entries(self, policy: Policy) -> tuple[DiscoveryEntry, ...]:
        """Give the discovery entries: the same for every caller, without what is switched off."""
        return tuple(
            entry
            for service in self.services
            if policy.release(service).state is not ReleaseState.OFF
            for entry in entries_of(service)
        )


def entries_of(service: Service) -> tuple[DiscoveryEntry, ...]:
    """Give one discovery entry for each hook that the service answers."""
    return tuple(
        DiscoveryEntry(
            id=service.id,
            hook=hook,
            title=service.title,
            description=service.description,
            prefetch=service.prefetch,
            usage_requirements=service.usage_requirements or None,
        )
        for hook in service.hooks
    )


def _problems_of(service: Service) -> list[str]:
    problems = [] if service.hooks else [f"{service.id} answers no hook"]
    if len(set(service.hooks)) != len(service.hooks):
        problems.append(f"{service.id} names a hook twice")
    problems += [
        f"{service.id} answers the deprecated hook {hook}, which its usage requirements do not say"
        for hook in service.hooks
        if HOOKS[hook].deprecated and f"{hook} is deprecated" not in service.usage_requirements  # OLD-2
    ]
    problems += [
        f"{service.id} declares a link host that is not a host name"
        for host in service.link_hosts
        if _HOST.fullmatch(host) is None
    ]
    try:
        entries_of(service)
    except ValueError as error:
        problems.append(f"{service.id}: {error}")
    return problems


def _own_services() -> list[Service]:
    modules = pkgutil.iter_modules(services_package.__path__, f"{services_package.__name__}.")
    return [_service_in(module.name, vars(import_module(module.name))) for module in modules]


def _services_of_others() -> list[Service]:
    return [_service_in(point.value, {"SERVICE": point.load()}) for point in entry_points(group=ENTRY_POINTS)]


def _service_in(place: str, names: Mapping[str, object]) -> Service:
    service = names.get("SERVICE")
    if not isinstance(service, Service):
        raise CatalogueError([f"{place} declares no SERVICE"])
    return service
