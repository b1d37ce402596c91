"""Command line: serve, worker, migrate, version."""

import argparse
import json
import os
import sys

from hustlex_api import VERSION, logs, schema
from hustlex_api.errors import CommandError, Exit
from hustlex_api.settings import read_base, read_settings


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        match options.command:
            case "serve" | "worker":
                _run(options.command)
            case "migrate":
                _migrate(options)
            case "version":
                _version(options.json)
    except CommandError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return error.code
    return Exit.OK


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _run(command: str) -> None:
    settings = read_settings(os.environ)
    logs.configure(settings.log_level)
    from hustlex_api.commands import run

    run(command, settings)


def _migrate(options: argparse.Namespace) -> None:
    from hustlex_api.migrate import Runner

    runner = Runner(read_base(os.environ), _say, options.wait)
    try:
        match options.direction:
            case "up":
                runner.up()
            case "down":
                runner.down(options.steps)
            case "status":
                _status(runner.applied(), runner.migrations, options.json)
    finally:
        runner.close()


def _status(applied: list[schema.Applied], migrations: list[schema.Migration], as_json: bool) -> None:
    waiting = schema.pending(migrations, applied)
    problems = schema.contradictions(migrations, applied)
    status = {
        "version": VERSION,
        "schema": schema.version_of(applied),
        "head": len(migrations),
        "min_compatible_schema": schema.min_compatible_of(applied),
        "pending": [str(migration) for migration in waiting],
        "problems": problems,
    }
    if as_json:
        _say(json.dumps(status))
        return
    names = {row.version: row.name for row in applied} | {row.version: row.name for row in migrations}
    done = {row.version for row in applied}
    for version, name in sorted(names.items()):
        note = "" if version <= len(migrations) else " (newer than this version)"
        _say(f"{version:04d} {name:<36} {'applied' if version in done else 'pending'}{note}")
    _say(f"schema {status['schema']}, this version knows {status['head']}")
    _say(f"runs with code whose schema is at least {status['min_compatible_schema']}")
    for problem in problems:
        _say(f"problem: {problem}")


def _version(as_json: bool) -> None:
    facts = {"version": VERSION, "schema": schema.head(), "min_compatible_schema": schema.min_compatible_shipped()}
    _say(json.dumps(facts) if as_json else VERSION)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="api", description="The HustleX reference application.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="answer HTTP requests")
    commands.add_parser("worker", help="do the queued jobs")
    version = commands.add_parser("version", help="print the version")
    version.add_argument("--json", action="store_true", help="with the schema it needs")
    migrate = commands.add_parser("migrate", help="change the database schema")
    migrate.add_argument(
        "--wait", type=float, default=30, metavar="SECONDS", help="for the database and other migrations (30)"
    )
    directions = migrate.add_subparsers(dest="direction", required=True)
    directions.add_parser("up", help="apply what is pending")
    down = directions.add_parser("down", help="take back the newest")
    down.add_argument("steps", type=_steps, help="how many")
    status = directions.add_parser("status", help="what is applied and what is pending")
    status.add_argument("--json", action="store_true")
    return parser


def _steps(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)
