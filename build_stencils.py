"""Compile the templates in src/stencils/ to generated/: python build_stencils.py --help."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from buildtool.build import Options, build  # noqa: E402
from buildtool.current import host_target  # noqa: E402
from buildtool.targets import TARGETS, BuildError  # noqa: E402


def progress(line: str) -> None:
    """What is done so far: in place on a terminal, line by line elsewhere."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="\r", file=sys.stderr, flush=True)
    else:
        print(line, file=sys.stderr, flush=True)


def main(words: list[str] | None = None) -> int:
    """Run the build the command line asks for."""
    parser = argparse.ArgumentParser(
        description="Compile the templates to stencils.", formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="targets:\n" + "\n".join(f"  {name}" for name in TARGETS),
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--target", choices=TARGETS, metavar="TARGET", help="one of those below")
    which.add_argument("--all", action="store_true", help="every target (default: the one of this machine)")
    parser.add_argument("--force", action="store_true", help="even if nothing has changed")
    parser.add_argument("--jobs", type=int, default=Options.jobs, help="processes (default: 2)")
    arguments = parser.parse_args(words)
    root = Path(__file__).resolve().parent
    try:
        for target in TARGETS if arguments.all else [arguments.target or host_target()]:
            options = Options(root, target, arguments.force, arguments.jobs, progress)
            print(build(options), flush=True)
    except BuildError as error:
        print(f"build_stencils: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
