"""`chartside keys`: makes, rotates, lists, shows and retires our signing keys."""

import argparse
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what a command needs is imported when it runs: `chartside calculate` starts without cryptography
    from fhir_client.signing_keys import SigningKey, SigningKeys

_DIRECTORY = "CHARTSIDE_SIGNING_KEYS"
_OVERLAP_HOURS = 24
_LONGEST_OVERLAP_HOURS = 24 * 90

Run = Callable[[argparse.Namespace, Path, datetime], None]


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this package's commands."""
    keys = subparsers.add_parser("keys", help="make and rotate our signing keys, for SMART Backend Services")
    commands = keys.add_subparsers(metavar="COMMAND", required=True)
    make = _add(commands, "make", _make, "make the first key pairs: one a signature algorithm")
    make.add_argument("--algorithm", choices=("ES384", "RS384"), action="append", help="this one only; may be repeated")
    rotate = _add(commands, "rotate", _rotate, "make successors: published now, signing after the overlap")
    rotate.add_argument(
        "--overlap-hours",
        metavar="N",
        type=_hours,
        default=_OVERLAP_HOURS,
        help="how long others have to fetch the new keys; 0 after a leak (default: %(default)s)",
    )
    list_ = _add(commands, "list", _list, "list the keys, and which of them signs")
    list_.add_argument("--json", action="store_true", help="print JSON")
    _add(commands, "show", _show, "print the public key set, to register it by value")
    retire = _add(commands, "retire", _retire, "delete the keys that are published no longer, or one that leaked")
    retire.add_argument("id", metavar="ID", nargs="?", help="this key only, if another signs in its place")


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, run: Run, words: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=words)
    command.add_argument("--directory", metavar="DIR", type=Path, help=f"where the keys are (default: {_DIRECTORY})")
    command.set_defaults(run=_reporting(run, name))
    return command


def _hours(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= _LONGEST_OVERLAP_HOURS):
        raise argparse.ArgumentTypeError(f"must be whole hours from 0 to {_LONGEST_OVERLAP_HOURS}")
    return int(text)


def _reporting(run: Run, name: str) -> Callable[[argparse.Namespace], int]:
    """Find the directory, and let a command end with status 1 and every fault on standard error, one a line."""

    def reporting(arguments: argparse.Namespace) -> int:
        from fhir_client.signing_keys import NoSuchKey, UnfitKeys

        named = arguments.directory or os.environ.get(_DIRECTORY, "").strip()
        if not named:
            print(f"chartside keys {name}: name the directory with --directory or {_DIRECTORY}", file=sys.stderr)
            return 2
        try:
            run(arguments, Path(named), datetime.now(UTC))
        except UnfitKeys as error:
            faults = error.faults
        except NoSuchKey as error:
            faults = (str(error),)
        except BrokenPipeError:
            raise  # nobody reads on: no fault of the directory's
        except OSError:
            faults = ("the directory of the signing keys cannot be written",)
        else:
            return 0
        print(*faults, sep="\n", file=sys.stderr)
        return 1

    return reporting


def _make(arguments: argparse.Namespace, directory: Path, now: datetime) -> None:
    from fhir_client.signing_keys import ALGORITHMS, NoSuchKey, SigningKeys, make

    # A second key that signed at once would be one that nobody has fetched yet.
    present = {key.algorithm for key in SigningKeys.read(directory).keys} if directory.exists() else set()
    chosen = [algorithm for algorithm in ALGORITHMS if algorithm in (arguments.algorithm or ALGORITHMS)]
    if present.intersection(chosen):
        raise NoSuchKey("there are keys already: rotate them, so that old and new overlap")
    for algorithm in chosen:
        print(f"made {make(directory, algorithm, signs_from=now).id}")
    print("register the key set: by its address, /.well-known/jwks.json, or by value: chartside keys show")


def _rotate(arguments: argparse.Namespace, directory: Path, now: datetime) -> None:
    from fhir_client.signing_keys import rotate

    for key in rotate(directory, now=now, overlap=timedelta(hours=arguments.overlap_hours)):
        print(f"made {key.id}: published now, signs from {_time(key.signs_from)}")
    print("a key set that was registered by value has to be registered again before that: chartside keys show")


def _list(arguments: argparse.Namespace, directory: Path, now: datetime) -> None:
    import orjson

    from fhir_client.signing_keys import SigningKeys

    keys = SigningKeys.read(directory)
    if arguments.json:
        rows = [
            {
                "id": key.id,
                "algorithm": key.algorithm,
                "signs_from": _time(key.signs_from),
                "signs": _signs(keys, key, now),
                "published": keys.is_published(key, now),
            }
            for key in keys.keys
        ]
        print(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    for key in keys.keys:
        print(f"{key.id}: {key.algorithm}, {_state(keys, key, now)}")


def _signs(keys: "SigningKeys", key: "SigningKey", now: datetime) -> bool:
    superseded = keys.superseded_at(key)
    return key.signs_from <= now and (superseded is None or superseded > now)


def _state(keys: "SigningKeys", key: "SigningKey", now: datetime) -> str:
    if _signs(keys, key, now):
        return "signs"
    if key.signs_from > now:
        return f"published, signs from {_time(key.signs_from)}"
    return "published, signs no longer" if keys.is_published(key, now) else "published no longer: retire it"


def _show(_arguments: argparse.Namespace, directory: Path, now: datetime) -> None:
    import orjson

    from fhir_client.signing_keys import public_key_set

    print(orjson.dumps(public_key_set(directory, now), option=orjson.OPT_INDENT_2).decode())


def _retire(arguments: argparse.Namespace, directory: Path, now: datetime) -> None:
    from fhir_client.signing_keys import retire

    gone = retire(directory, now=now, key_id=arguments.id)
    print(*(f"retired {key_id}" for key_id in gone) if gone else ("every key is still published",), sep="\n")


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
