"""`chartside calculate`: the models as calculators of plain values."""

import argparse
import sys
from codecs import BOM_UTF8
from typing import BinaryIO, Final

Commands = argparse._SubParsersAction  # noqa: SLF001 - the only name that argparse gives the type

_UNDERSTOOD: Final = 0
_SOME_ERROR: Final = 1
_WRONG_USAGE: Final = 2


def register(subparsers: "Commands[argparse.ArgumentParser]") -> None:
    """Bring this package's commands into the `chartside` command."""
    calculate = subparsers.add_parser(
        "calculate",
        help="a model from plain values, one JSON object a line",
        description="Answers each line with one: assessed, not-applicable, not-assessable or error.",
        epilog="Exit status: 0 every line was understood, 1 some line is an error, 2 unknown model or unreadable file.",
    )
    calculate.add_argument("model", nargs="?", metavar="MODEL", help="which model; see --list")
    calculate.add_argument(
        "file", nargs="?", default="-", metavar="FILE", help="lines of JSON (default: standard input)"
    )
    calculate.add_argument("--list", action="store_true", dest="listed", help="print the ids of the models")
    calculate.add_argument("--schema", metavar="MODEL", help="print the JSON Schema of a model's input")
    calculate.set_defaults(run=_calculate)


def _calculate(args: argparse.Namespace) -> int:
    from models.registry import calculators

    if args.listed:
        print("\n".join(calculators()))
        return _UNDERSTOOD
    asked = args.schema or args.model
    if asked is None:
        print("calculate: name a MODEL, or use --list", file=sys.stderr)
        return _WRONG_USAGE
    if asked not in calculators():
        print(f"calculate: no model is called {asked!r}; --list names them", file=sys.stderr)
        return _WRONG_USAGE
    return _print_schema(asked) if args.schema else _answer_lines(asked, args.file)


def _print_schema(model: str) -> int:
    import json

    from models.plain_values import schema
    from models.registry import calculators

    print(json.dumps(schema(calculators()[model]), indent=2))
    return _UNDERSTOOD


def _answer_lines(model: str, file: str) -> int:
    try:
        if file == "-":
            return _answer_each(model, sys.stdin.buffer)
        with open(file, "rb") as lines:  # noqa: PTH123 - also /dev/stdin and named pipes, as given
            return _answer_each(model, lines)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        print(f"calculate: {file} cannot be read: {error.strerror}", file=sys.stderr)
        return _WRONG_USAGE


def _answer_each(model: str, lines: BinaryIO) -> int:
    """Answer every line as it comes: whoever sends one line and waits gets one back."""
    import orjson

    from models.plain_values import answer
    from models.registry import calculators

    chosen = calculators()[model]
    output = sys.stdout.buffer
    status = _UNDERSTOOD
    for number, raw in enumerate(lines):
        line = raw.removeprefix(BOM_UTF8) if number == 0 else raw  # spreadsheets begin their files with one
        if not line.strip():
            continue
        answered, understood = answer(chosen, line)
        if not understood:
            status = _SOME_ERROR
        output.write(orjson.dumps(answered, option=orjson.OPT_APPEND_NEWLINE))
        output.flush()
    return status
