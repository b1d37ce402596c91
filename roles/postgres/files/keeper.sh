#!/bin/sh
# Beside the server: keeps database roles and passwords equal to the Secrets, drops the slots of pods that are gone, makes a
# standby that the primary can no longer feed start again from a copy, and gives an archive its heartbeat. "keeper.sh once" does
# one round, "keeper.sh heartbeat" one beat, "keeper.sh run SECONDS" all of it with a beat each so many seconds.
set -eu
. "$(dirname "$0")/lib.sh"

roles='hustlex_owner hustlex replicator monitor backup restore pgbouncer'

password_file() {
  case $1 in
    hustlex) echo "$CREDENTIALS_DIR/DB_PASSWORD" ;;
    hustlex_owner) echo "$CREDENTIALS_DIR/OWNER_PASSWORD" ;;
    *) echo "$CREDENTIALS_DIR/$(printf %s "$1" | tr '[:lower:]' '[:upper:]')_PASSWORD" ;;
  esac
}

credentials_checksum() {
  cat "$CREDENTIALS_DIR"/*_PASSWORD | cksum
}

# The proof that needs no verifier: log in with it, as its owner would.
password_works() {
  [ -n "$(local_psql postgres -v role="$1" <<'SQL'
SELECT rolpassword FROM pg_authid WHERE rolname = :'role'
SQL
  )" ] || return 1
  case $1 in
    replicator) database=postgres ;;
    *) database=hustlex ;;
  esac
  PGPASSWORD=$(cat "$(password_file "$1")") psql -XAtq -w -h 127.0.0.1 -U "$1" -d "$database" -c '' > /dev/null 2>&1
}

# psql reads the file itself: the password is in no argument, no log and no statistics.
set_password() {
  local_psql postgres -v role="$1" <<SQL
SET log_min_error_statement = panic;
SET log_statement = none;
SET log_min_duration_statement = -1;
SET pg_stat_statements.track = none;
SET synchronous_commit = local;
\\set password \`cat $(password_file "$1")\`
SELECT format('ALTER ROLE %I PASSWORD %L', :'role', :'password') \\gexec
SQL
  log "password of role $1 set"
}

sync_roles() {
  directory=$(dirname "$0")
  local_psql postgres -f "$directory/roles.sql"
  for database in hustlex hustlex_template; do
    local_psql $database -f "$directory/database.sql"
  done
  for role in $roles; do
    password_works "$role" || set_password "$role"
  done
}

in_recovery() {
  local_psql postgres -c 'SELECT pg_is_in_recovery()'
}

# On a primary the slots of its present standbys stay; on a standby none of ours serves anybody.
drop_stale_slots() {
  members=$(sed 's/ .*//' "$CLUSTER_DIR/members" | tr -s -- '-\n' '_ ')
  local_psql postgres -v pod="$slot" -v members="$members" <<'SQL' | while read -r name; do
SELECT pg_drop_replication_slot(slot_name), slot_name FROM pg_replication_slots
WHERE slot_type = 'physical' AND NOT active AND slot_name ~ '^postgres(_replica)?_[0-9]+$'
  AND (pg_is_in_recovery() OR slot_name = :'pod' OR slot_name <> ALL (string_to_array(:'members', ' ')));
SQL
    log "replication slot ${name#|} dropped: nobody needs it"
  done
}

streaming() {
  local_psql postgres -c "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'"
}

# True when the standby needs WAL that the primary has removed: it lies before the oldest segment there, two rounds in a row.
fallen_behind() {
  position=$(local_psql postgres -c 'SELECT pg_last_wal_replay_lsn()') &&
    gone=$(upstream_sql "SELECT min(substr(name, 9)) > substr(pg_walfile_name('$position'::pg_lsn + 1), 9)
      FROM pg_ls_dir('pg_wal', true, false) AS name WHERE name ~ '^[0-9A-F]{24}$'" 2> /dev/null) || return 1
  if [ "$gone" != t ]; then
    rm -f "$stuck"
    return 1
  fi
  [ ! -e "$stuck" ] || [ "$(cat "$stuck")" != "$position" ] || return 0
  echo "$position" > "$stuck"
  return 1
}

watch_standby() {
  if [ "$(streaming)" -gt 0 ]; then
    rm -f "$stuck"
    return 0
  fi
  ensure_slot 2> /dev/null || return 0
  if fallen_behind; then
    log "primary $(recorded_primary) no longer has the WAL after $position: stopping, to copy the database anew"
    rm -f "$stuck"
    touch "$reclone"
    pg_ctl stop -D "$PGDATA" -m fast -W > /dev/null
  fi
}

keep() {
  [ -S "$RUN_DIR/.s.PGSQL.$PGPORT" ] && recovery=$(in_recovery 2> /dev/null) || return 0
  write_passfile
  checksum=$(credentials_checksum)
  if [ "$recovery" = f ] && { [ ! -e "$synced" ] || [ "$(cat "$synced")" != "$checksum" ]; }; then
    sync_roles
    # The checkpointer slept before the server was up, and counts archive_timeout only after something woke it.
    local_psql postgres -c 'SELECT pg_reload_conf()' > /dev/null
    echo "$checksum" > "$synced"
  fi
  drop_stale_slots
  if [ "$recovery" = t ]; then
    write_standby_settings && local_psql postgres -c 'SELECT pg_reload_conf()' > /dev/null
    watch_standby
  fi
}

# PostgreSQL recovers to a moment only when a transaction ended after it: without one a minute, an idle database's archive
# would reach back to its last write alone.
heartbeat() {
  local_psql postgres <<'SQL' > /dev/null 2>&1
SET synchronous_commit = local;
SELECT pg_logical_emit_message(true, 'hustlex.heartbeat', clock_timestamp()::text)
WHERE current_setting('archive_mode') <> 'off' AND NOT pg_is_in_recovery();
SQL
}

case ${1:-} in
  once)
    keep
    exit ;;
  heartbeat)
    heartbeat
    exit ;;
esac
trap 'exit 0' TERM INT
beat=0
while :; do
  # Says why it failed on stderr and is tried again; a primary without its roles is not ready.
  sh "$0" once || log "trying again"
  # Twice in each archive_timeout: the server looks once in it, and lets an idle segment wait for the next look.
  now=$(date +%s)
  if [ $((now - beat)) -ge "${2:-30}" ] && sh "$0" heartbeat; then beat=$now; fi
  if [ -e "$synced" ]; then pause=10; else pause=1; fi
  sleep $pause &
  wait $!
done
