"""Everything that can be wrong before the first request, found at once."""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from cds_hooks.catalogue import Catalogue, CatalogueError
from cds_hooks.journal.database import is_known, open_database
from cds_hooks.web.clients import Client
from cds_hooks.web.key_sets import read_key_file
from cds_hooks.web.public_keys import KeysUnavailable, usable_keys
from cds_hooks.web.settings import PREFIX, Settings
from fhir_client.signing_keys import SigningKeys, UnfitKeys


class CannotStart(Exception):
    """The service cannot start; `faults` names every reason at once, one line each."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        """Keep the faults."""
        self.faults = faults
        super().__init__("; ".join(faults))


@dataclass(frozen=True, slots=True)
class Checked:
    """What passed every check that can be made without starting."""

    settings: Settings
    catalogue: Catalogue


def check(settings: Settings, *, host: str | None = None, catalogue: Catalogue | None = None) -> Checked:
    """Check settings, services and journal together; services are looked for where none are given.

    Raises:
        CannotStart: at least one of them is not fit to serve; it names all that is wrong.
    """
    faults = list(settings.serving_faults(host))
    found = catalogue or _services(faults)
    if found is not None:
        faults.extend(_strange_names(settings, found))
    for place, client in enumerate(settings.clients):
        faults.extend(key_faults(client, f"{PREFIX}CLIENTS: client[{place}]"))
    faults.extend(_signing_key_faults(settings.signing_keys))
    faults.extend(_journal_faults(settings.database_url))
    if faults or found is None:
        raise CannotStart(tuple(faults))
    return Checked(settings, found)


def key_faults(client: Client, place: str) -> tuple[str, ...]:
    """Name what is wrong with a client's key file; nothing is fetched."""
    if client.jwks_file is None:
        return ()
    try:
        keys = usable_keys(read_key_file(client))
    except KeysUnavailable as error:
        return (f"{place}: jwks_file: {error}",)
    if not any(key.algorithms & set(client.algorithms) for key in keys.values()):
        return (f"{place}: jwks_file: holds no public key that may be used with the client's algorithms",)
    return ()


def _signing_key_faults(directory: Path | None) -> tuple[str, ...]:
    """Name what is wrong with our own keys: a key that others may read is none any more (FHIR-37)."""
    if directory is None:
        return ()
    try:
        SigningKeys.read(directory)
    except UnfitKeys as error:
        return tuple(f"{PREFIX}SIGNING_KEYS: {fault}" for fault in error.faults)
    return ()


def _services(faults: list[str]) -> Catalogue | None:
    try:
        return Catalogue.found()
    except CatalogueError as error:
        faults.extend(f"services: {problem}" for problem in error.problems)
    return None


def _strange_names(settings: Settings, catalogue: Catalogue) -> list[str]:
    """A misspelt service in the site's file would leave the one that was meant as it is: it stops the start-up."""
    known = {service.id for service in catalogue.services}
    faults = [
        f"{PREFIX}SITE: {name}: there is no such service" for name in sorted(settings.site.named_services - known)
    ]
    for place, client in enumerate(settings.clients):
        faults.extend(
            f"{PREFIX}CLIENTS: client[{place}]: services: {name}: there is no such service"
            for name in sorted((client.services or frozenset()) - known)
        )
    return faults


def _journal_faults(url: str) -> list[str]:
    name = f"{PREFIX}DATABASE_URL"
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        path = Path(str(parsed.database))
        if not path.exists():
            usable = path.parent.is_dir() and os.access(path.parent, os.W_OK)
            return [] if usable else [f"{name}: the directory of the journal is missing or cannot be written"]
    elif find_spec(parsed.get_driver_name()) is None:
        return [f"{name}: the Python driver {parsed.get_driver_name()} is not installed"]
    engine = open_database(url)
    try:
        with engine.connect() as connection:
            return [] if is_known(connection) else [f"{name}: the journal was written by a newer version"]
    except (SQLAlchemyError, CommandError):
        return [f"{name}: the journal cannot be opened"]
    finally:
        engine.dispose()
