#!/bin/sh
# Alive: the server answers at all, also when it only says that it recovers, shuts down or has no free connection.
set -eu
. "$(dirname "$0")/lib.sh"

code=0
pg_isready -q -h "$RUN_DIR" -U postgres -d postgres -t 5 || code=$?
if [ "$code" -eq 2 ]; then
  echo "no server answers"
  exit 1
fi
