"""Entry point. Signals work from the first moment: as process 1 the kernel would drop them without a handler."""

import signal
import sys

signal.signal(signal.SIGTERM, signal.default_int_handler)

if __name__ == "__main__":
    try:
        from hustlex_api.cli import main

        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
