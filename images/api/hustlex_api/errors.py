"""Exit codes and the errors that end a command with one sentence."""

from enum import IntEnum


class Exit(IntEnum):
    OK = 0
    FAILED = 1
    CONFIGURATION = 2
    UNREACHABLE = 3
    LOCKED = 4
    FORBIDDEN = 5
    HISTORY = 6


class CommandError(Exception):
    """Ends the command: `message` goes to stderr, `code` becomes the exit code."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code


class ConfigurationError(CommandError):
    def __init__(self, problems: list[str]) -> None:
        super().__init__(Exit.CONFIGURATION, "configuration: " + "; ".join(problems))
