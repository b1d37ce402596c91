#!/bin/sh
# Decides by the recorded fact whether this pod is the primary or a standby, prepares PGDATA for that, then becomes the server.
set -eu
. "$(dirname "$0")/lib.sh"

# One server per volume, also where process numbers say nothing (two containers, two pods): the lock lives as long as the
# server and its children hold the descriptor.
lock_volume() {
  command -v flock > /dev/null || refuse "the image has no program flock, without which two servers could use one volume."
  exec 9> "$volume/lock"
  waited=0
  until flock -n 9; do
    [ $((waited % 30)) -eq 0 ] && log "waiting for another server to let go of $volume"
    waited=$((waited + 1))
    sleep 1
  done
  rm -f "$PGDATA/postmaster.pid"
}

flush() {
  sync "$volume" "$PGDATA" 2> /dev/null || sync
}

commit_partial() {
  mv "$partial" "$PGDATA"
  flush
}

# What answers on the pods' addresses, as $state: primary (its name in $found), standby, none (every address refuses: no server
# runs) or unknown.
look_for_peers() {
  if [ -z "$hosts" ]; then
    state=none
  elif found=$(psql -XAtq -d "$upstream dbname=postgres replication=true" -c 'SHOW cluster_name' 2>&1); then
    state=primary
  elif printf %s "$found" | grep -q -e 'FATAL:' -e 'in hot standby mode'; then
    state=standby
  elif printf %s "$found" | grep 'error:\|failed:' | grep -qv 'Connection refused'; then
    state=unknown
  else
    state=none
  fi
}

refuse_initialisation_beside_data() {
  tries=0
  look_for_peers
  while [ "$state" = unknown ] && [ $tries -lt 12 ]; do
    log "cannot tell yet whether another pod holds the data: $(printf %s "$found" | tail -n 1)"
    tries=$((tries + 1))
    sleep 5
    look_for_peers
  done
  [ "$state" = none ] || refuse "the volume of $POD_NAME is empty but another pod holds data (found: $state): make that pod the" \
    "primary in ConfigMap postgres-topology, or scale postgres-replica to 0 to begin with an empty database."
}

refuse_second_primary() {
  tries=0
  look_for_peers
  while [ "$state" = primary ] && [ $tries -lt 12 ]; do
    log "waiting for $found, which still runs as a primary, to stop"
    tries=$((tries + 1))
    sleep 5
    look_for_peers
  done
  [ "$state" != primary ] ||
    refuse "postgres-topology names $POD_NAME as the primary, but $found runs as one: stop that one first."
}

initialise() {
  log "initialising an empty database cluster"
  rm -rf "$partial"
  # The builtin provider (17 and later) never changes its order with the C library, so no index breaks with a new image.
  set -- --username=postgres --encoding=UTF8 --locale=C.UTF-8 --data-checksums --auth-local=peer --auth-host=scram-sha-256
  if [ "$(major)" -ge 17 ]; then
    set -- "$@" --locale-provider=builtin --builtin-locale=C.UTF-8
  fi
  # Inside a container "try" can end in SIGBUS where the node reserves huge pages.
  if [ "$(major)" -ge 16 ]; then
    set -- "$@" --set=huge_pages=off
  fi
  initdb --pgdata="$partial" "$@" > /dev/null
  refuse_initialisation_beside_data
  commit_partial
}

major() {
  postgres --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/'
}

wait_for_upstream() {
  [ -n "$hosts" ] || refuse "postgres-topology names $(recorded_primary) as the primary, but $POD_NAME is the only pod: set postgres_replicas."
  waited=0
  until identity=$(upstream_command 'IDENTIFY_SYSTEM' 2>&1) && found=$(upstream_command 'SHOW cluster_name' 2>&1) &&
    [ "$found" = "$(recorded_primary)" ]; do
    [ $((waited % 15)) -eq 0 ] &&
      log "waiting for primary $(recorded_primary); found: $(printf '%s\n' "${found:-$identity}" | tail -n 1)"
    found=''
    waited=$((waited + 1))
    sleep 2
    ! is_primary || refuse "postgres-topology now names $POD_NAME as the primary: starting again."
    write_passfile
  done
  upstream_identifier=${identity%%|*}
}

refuse_foreign_upstream() {
  [ "$(system_identifier)" = "$upstream_identifier" ] ||
    refuse "the data of $POD_NAME (system identifier $(system_identifier)) does not come from primary $(recorded_primary)" \
      "($upstream_identifier); if it is not needed, delete PersistentVolumeClaim postgres-data-$POD_NAME and the pod."
}

clone() {
  wait_for_upstream
  if [ -d "$PGDATA" ]; then
    refuse_foreign_upstream
    rm -rf "$PGDATA"
  fi
  log "copying the database from primary $(recorded_primary)"
  rm -rf "$partial"
  ensure_slot
  pg_basebackup -d "$upstream" -D "$partial" --wal-method=stream --slot="$slot" --checkpoint=fast --progress --no-password
  touch "$partial/standby.signal"
  commit_partial
  rm -f "$reclone" "$rewinding"
}

# pg_rewind throws away what the new primary never had. Once it writes there is no way back, and an interrupted one ends in a copy;
# before that the old data is whole, and a person decides about it.
demote() {
  log "was a primary, but postgres-topology names $(recorded_primary): becoming its standby"
  wait_for_upstream
  refuse_foreign_upstream
  # pg_rewind reads the new timeline from the control file, which only the first checkpoint after a promotion writes.
  upstream_sql 'CHECKPOINT'
  touch "$rewinding"
  pg_rewind --target-pgdata="$PGDATA" --source-server="$upstream dbname=postgres" \
    --config-file="$CONFIG_DIR/postgresql.conf" --progress > "$RUN_DIR/rewind.log" 2>&1 || {
    cat "$RUN_DIR/rewind.log"
    if grep -q 'need to copy' "$RUN_DIR/rewind.log"; then
      refuse "pg_rewind failed half way: starting again with a copy of primary $(recorded_primary)."
    fi
    rm "$rewinding"
    refuse "the data of $POD_NAME cannot be rewound to primary $(recorded_primary): delete PersistentVolumeClaim" \
      "postgres-data-$POD_NAME and the pod, and it is copied anew; what only this volume holds is lost then."
  }
  cat "$RUN_DIR/rewind.log"
  touch "$PGDATA/standby.signal"
  flush
  rm -f "$rewinding"
}

# A hot standby must not have less of these than the primary had when it wrote the WAL.
standby_floors() {
  for setting in max_connections max_worker_processes max_wal_senders max_prepared_xacts max_locks_per_xact; do
    case $setting in
      max_prepared_xacts) parameter=max_prepared_transactions ;;
      max_locks_per_xact) parameter=max_locks_per_transaction ;;
      *) parameter=$setting ;;
    esac
    needed=$(control_data "$PGDATA" "$setting setting")
    configured=$(postgres -D "$PGDATA" -c config_file="$CONFIG_DIR/postgresql.conf" -C "$parameter")
    if [ "$needed" -gt "$configured" ]; then
      echo "-c $parameter=$needed"
    fi
  done
}

become_server() {
  log "starting as $1"
  shift
  exec postgres -D "$PGDATA" -c config_file="$CONFIG_DIR/postgresql.conf" -c hba_file="$CONFIG_DIR/pg_hba.conf" \
    -c cluster_name="$POD_NAME" "$@"
}

start_primary() {
  if [ ! -d "$PGDATA" ]; then
    initialise
  else
    refuse_second_primary
  fi
  if [ -e "$PGDATA/standby.signal" ]; then
    log "was a standby: promoting it with all WAL that it received"
    touch "$PGDATA/promote" "$PGDATA/recovery.signal"
    rm "$PGDATA/standby.signal"
    flush
  fi
  if [ -e "$PGDATA/promote" ] && [ -e "$PGDATA/recovery.signal" ]; then
    # Recovery with nothing to fetch ends at the last received record and opens a new timeline.
    become_server primary -c restore_command=false -c recovery_target_timeline=latest
  fi
  rm -f "$PGDATA/promote" "$reclone" "$rewinding"
  become_server primary
}

start_standby() {
  if [ ! -d "$PGDATA" ] || [ -e "$rewinding" ] || { [ -e "$reclone" ] && [ -e "$PGDATA/standby.signal" ]; }; then
    clone
  elif [ ! -e "$PGDATA/standby.signal" ]; then
    demote
  fi
  # Without a primary the keeper does it later; the standby serves reads meanwhile.
  ensure_slot 2> /dev/null || log "primary $(recorded_primary) does not answer yet"
  write_standby_settings || true
  # Split on purpose: each line is an option and its value, without blanks of their own.
  # shellcheck disable=SC2046
  become_server "standby of $(recorded_primary)" $(standby_floors)
}

[ -r "$CLUSTER_DIR/primary" ] || refuse "ConfigMap postgres-topology has no key primary: deploy role postgres again."
lock_volume
write_passfile
rm -f "$synced"
: > "$standby_settings"
chmod 0700 "$PGDATA" 2> /dev/null || true
if [ -d "$PGDATA" ] && [ "$(cat "$PGDATA/PG_VERSION")" != "$(major)" ]; then
  refuse "the data was written by PostgreSQL $(cat "$PGDATA/PG_VERSION"), but the image holds PostgreSQL $(major):" \
    "set postgres_image back, or move the data with a dump."
fi
if is_primary; then
  start_primary
else
  start_standby
fi
