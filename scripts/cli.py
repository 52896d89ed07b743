"""The command `keima`: finds the subcommand, parses its arguments, and turns what went wrong into one line.

Each subcommand is a module of `scripts` with its name (dashes as underscores), imported only when it is asked for:

- `Command`, a frozen dataclass (or a union of them, for subcommands of its own): a field is an option, its docstring
  is the option's help, a nested dataclass is a group of options, the class's docstring is the head of `--help`;
- optionally `defaults(arguments)`: a `Command` whose fields are the options' defaults, where these depend on others;
- `run(command) -> int` does the work and returns the exit code.

Exit codes: 0 done; 2 bad input, told in one line on standard error; 130 interrupted; 141 the reader went away.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import tyro

import games
from rl.errors import UserError

_COMMANDS = {
    "train": "train an agent by self-play; resumes a run by itself",
    "watch": "TensorBoard on a run, with a page that says what curves should look like",
    "report": "one HTML page of a run: curves, ladder, settings, games",
    "play": "play against an agent in the terminal, or watch a robot",
    "match": "play two players against each other: score, Elo, 95 % interval",
    "ladder": "rate many players by games among all of them: a table and a plot",
    "gtp": "GTP engine on standard input and output",
    "analyze": "JSON lines in KataGo's analysis protocol",
    "sgf": "game records of a training run's games",
    "rules": "JSON lines: moves in, legal moves and results out",
    "check-game": "test a game's rules against the contract, yours too",
    "bench": "measure every figure the README claims",
}
_USAGE = "\n".join(
    [
        "usage: keima COMMAND [arguments]",
        "",
        "Learns to play by playing itself.",
        "",
        *(f"  {name:<12}{description}" for name, description in _COMMANDS.items()),
        "",
        "keima COMMAND --help tells the arguments of a command.",
    ]
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `keima` with `argv` (the process's own by default) and return its exit code."""
    try:
        code = _dispatch(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return code
    except (UserError, games.UnknownGame) as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Nobody reads standard output any more. Python flushes it once more at exit: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if error.filename is None:
            raise
        return _fail(f"{error.filename}: {error.strerror}")


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_USAGE)
        return 0 if arguments else 2
    name, *rest = arguments
    if name == "--version":
        print(f"keima {version('keima')}")
        return 0
    if name not in _COMMANDS:
        raise UserError(f"unknown command {name!r}: the commands are {', '.join(_COMMANDS)}")
    module = importlib.import_module(f"scripts.{name.replace('-', '_')}")
    try:
        command = _parse(module, f"keima {name}", rest)
    except SystemExit as stop:  # tyro has printed its help
        return int(stop.code or 0)
    code: int = module.run(command)
    return code


def _parse(module: Any, program: str, arguments: list[str]) -> Any:
    """`arguments` as the module's `Command`. A mistake is a UserError of one line where tyro would draw a box."""
    options = {"default": module.defaults(arguments)} if hasattr(module, "defaults") else {}
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(module.Command, prog=program, args=arguments, **options)
    except SystemExit as stop:
        if not stop.code:
            raise
    message = []
    for line in complaint.getvalue().splitlines()[1:]:  # a box: its title, the message, then after a rule more to read
        text = line.strip("│╰╯─ ")
        if not text:
            break
        if not line.startswith("│" + " " * 8):  # as far to the right as that, tyro repeats the help
            message.append(text)
    raise UserError(f"{' '.join(message)} ({program} --help tells more)")


def _fail(message: str) -> int:
    print(f"keima: {' '.join(message.split())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
