"""`chartside`: each package brings its own subcommands through the entry-point group `chartside.commands`."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points, version

ENTRY_POINTS = "chartside.commands"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command: 0 success, 1 a finding or failure, 2 wrong usage."""
    parser = argparse.ArgumentParser(
        prog="chartside", description="Predictive models at the patient's chart: a CDS Hooks service that reads FHIR."
    )
    parser.add_argument("--version", action="version", version=f"chartside {version('chartside')}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        point.load()(subparsers)
    arguments = parser.parse_args(argv)
    run = getattr(arguments, "run", None)
    if run is None:
        parser.print_help(sys.stderr)
        return 2
    try:
        return int(run(arguments))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has stopped; there is nobody to tell.
        sys.stderr.close()
        return 1


if __name__ == "__main__":
    sys.exit(main())
