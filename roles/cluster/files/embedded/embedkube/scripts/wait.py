"""Wait for what a program needs, with a limit, then become that program.

Usage: wait.py [--socket PATH] [--url URL --ca FILE [--certificate FILE --key FILE]] [--limit SECONDS] -- PROGRAM ...
"""

import argparse
import os
import socket
import ssl
import sys
import time
import urllib.error
import urllib.request


def accepts(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
        except OSError:
            return False
    return True


def answers(url: str, context: ssl.SSLContext | None) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5, context=context) as response:  # noqa: S310
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket")
    parser.add_argument("--url")
    parser.add_argument("--ca")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--limit", type=float, default=120)
    parser.add_argument("program", nargs="+")
    options = parser.parse_args()
    context = ssl.create_default_context(cafile=options.ca) if options.ca else None
    if context and options.certificate:
        context.load_cert_chain(options.certificate, options.key)
    end = time.monotonic() + options.limit
    while not (
        (options.socket is None or accepts(options.socket)) and (options.url is None or answers(options.url, context))
    ):
        if time.monotonic() > end:
            needed = " and ".join(filter(None, (options.socket, options.url)))
            sys.exit(f"{options.program[0]} was not started: {needed} did not answer in {options.limit:.0f} s")
        time.sleep(0.1)
    os.execvp(options.program[0], options.program)  # noqa: S606 - no shell is wanted


main()
