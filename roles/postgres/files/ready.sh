#!/bin/sh
# Ready: the recorded primary takes writes and has its roles; a standby receives WAL from the primary.
set -eu
. "$(dirname "$0")/lib.sh"

state=$(local_psql postgres -c "SELECT CASE WHEN NOT pg_is_in_recovery() THEN 'primary'
  WHEN EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming') THEN 'streaming' ELSE 'standby' END")

if is_primary; then
  [ "$state" = primary ] || { echo "$POD_NAME is recorded as the primary, but is still in recovery"; exit 1; }
  [ -e "$synced" ] || { echo "the database roles are not in place yet"; exit 1; }
elif [ "$state" = primary ]; then
  echo "$POD_NAME runs as a primary, but $(recorded_primary) is recorded as the one"
  exit 1
elif [ "$state" != streaming ]; then
  echo "$POD_NAME receives no WAL from primary $(recorded_primary)"
  exit 1
fi
