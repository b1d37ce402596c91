# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""pgBackRest's info files and manifests: INI with JSON values, closed by a checksum.

Layout as of pgBackRest 2.x: the checksum is the SHA-1 of {"section":{"key":value,...},...} in the order of the file,
without the checksum's own line.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from .errors import BackupError

_CHECKSUM_SECTION = "backrest"
_CHECKSUM_KEY = "backrest-checksum"

Sections = dict[str, dict[str, Any]]


class InfoFileError(BackupError):
    """The file is not a complete info file."""


def parse(text: str, name: str, wanted: frozenset[str] | None = None) -> Sections:
    """Sections of the file called C(name), only those C(wanted) if given; the checksum covers all of it.

    Raises InfoFileError when the file is cut off, altered or something else.
    """
    digest = hashlib.sha1(b"{", usedforsecurity=False)
    sections: Sections = {}
    section, hashed, recorded = "", "", ""
    for line in text.split("\n"):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
            continue
        if not line:
            continue
        key, separator, value = _split(line)
        if not section or not separator:
            raise InfoFileError(f"{name} is not a pgBackRest file.")
        if section == _CHECKSUM_SECTION and key == _CHECKSUM_KEY:
            recorded = value
            continue
        if section == hashed:
            digest.update(b",")
        else:
            digest.update(f'{"}," if hashed else ""}"{section}":{{'.encode())
            hashed = section
        digest.update(f'"{key}":{value}'.encode())
        if wanted is None or section in wanted:
            sections.setdefault(section, {})[key] = _value(value, name)
    digest.update(b"}}")
    if not recorded:
        raise InfoFileError(f"{name} is cut off: it has no checksum.")
    if recorded != f'"{digest.hexdigest()}"':
        raise InfoFileError(f"{name} is damaged: its checksum does not match.")
    return sections


def _split(line: str) -> tuple[str, str, str]:
    """Keys of a manifest are paths, which may contain "=": the value is what is JSON."""
    key, separator, value = line.partition("=")
    while separator and value[:1] not in '{["-0123456789tfn':
        more, separator, value = value.partition("=")
        key = f"{key}={more}"
    return key, separator, value


def _value(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InfoFileError(f"{name} is not a pgBackRest file.") from error


def render(sections: Sections) -> str:
    """The file that pgBackRest would write, checksum included."""
    texts = {
        section: {key: json.dumps(value, separators=(",", ":")) for key, value in values.items()}
        for section, values in sections.items()
    }
    hashed = ",".join(
        f'"{section}":{{' + ",".join(f'"{key}":{value}' for key, value in values.items()) + "}"
        for section, values in texts.items()
    )
    checksum = hashlib.sha1(f"{{{hashed}}}".encode(), usedforsecurity=False).hexdigest()
    texts_and_checksum = [*texts.items(), (_CHECKSUM_SECTION, {_CHECKSUM_KEY: f'"{checksum}"'})]
    return "\n".join(
        f"[{section}]\n" + "".join(f"{key}={value}\n" for key, value in values.items())
        for section, values in texts_and_checksum
    )
