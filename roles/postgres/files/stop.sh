#!/bin/sh
# Ends sessions and stops: the signal that Kubernetes sends would wait for every client to go by itself.
set -eu
. "$(dirname "$0")/lib.sh"

pg_ctl stop -D "$PGDATA" -m fast -W
