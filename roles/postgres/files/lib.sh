# Shared by start.sh, keeper.sh, ready.sh and live.sh. POSIX sh: the stock images bring dash or busybox.
# Environment: POD_NAME, PGDATA, PGPORT, CLUSTER_DIR (primary, members), CREDENTIALS_DIR, CONFIG_DIR, RUN_DIR.

export LC_ALL=C
umask 077

volume=$(dirname "$PGDATA")
partial="$PGDATA.partial"
reclone="$volume/reclone"
rewinding="$volume/rewinding"
slot=$(printf %s "$POD_NAME" | tr - _)
passfile="$RUN_DIR/pgpass"
synced="$RUN_DIR/roles.synced"
stuck="$RUN_DIR/stuck"
standby_settings="$RUN_DIR/standby.conf"

# The other pods. libpq goes on to the next host, though never to the next address of one host, when a server is no primary.
hosts=''
ports=''
while read -r name host port; do
  if [ "$name" != "$POD_NAME" ]; then
    hosts="$hosts${hosts:+,}$host"
    ports="$ports${ports:+,}$port"
  fi
done < "$CLUSTER_DIR/members"
upstream="host=$hosts port=$ports user=replicator passfile=$passfile application_name=$POD_NAME connect_timeout=3 target_session_attrs=primary"

# Debian keeps the server's programs outside of PATH.
for directory in /usr/lib/postgresql/*/bin; do
  [ -x "$directory/postgres" ] && PATH="$directory:$PATH"
done

log() {
  printf '%s %s: %s\n' "$(date -u '+%Y-%m-%d %H:%M:%S')" "$(basename "$0")" "$*" >&2
}

refuse() {
  log "REFUSED: $*"
  exit 1
}

recorded_primary() {
  cat "$CLUSTER_DIR/primary"
}

is_primary() {
  [ "$(recorded_primary)" = "$POD_NAME" ]
}

write_passfile() {
  sed 's/[\\:]/\\&/g; s/^/*:*:*:replicator:/' "$CREDENTIALS_DIR/REPLICATOR_PASSWORD" > "$passfile.new"
  mv "$passfile.new" "$passfile"
}

# SQL as superuser over the socket, unaligned output. $1: database; the rest as psql takes it.
local_psql() {
  database=$1
  shift
  psql -XAtq -v ON_ERROR_STOP=1 -h "$RUN_DIR" -U postgres -d "$database" "$@"
}

# A replication command (IDENTIFY_SYSTEM, READ_REPLICATION_SLOT, SHOW, ...) to the primary.
upstream_command() {
  psql -XAtq -v ON_ERROR_STOP=1 -d "$upstream dbname=postgres replication=true" -c "$1"
}

upstream_sql() {
  psql -XAtq -v ON_ERROR_STOP=1 -d "$upstream dbname=postgres" -c "$1"
}

control_data() {
  pg_controldata -D "$1" | sed -n "s/^$2: *//p"
}

system_identifier() {
  control_data "$PGDATA" 'Database system identifier'
}

# The slot that keeps WAL for this pod. One that lost its WAL would let a standby stream, but keep nothing for it: it is made again.
ensure_slot() {
  state=$(upstream_sql "SELECT wal_status FROM pg_replication_slots WHERE slot_name = '$slot'") || return 1
  case $state in
    '') ;;
    lost) upstream_command "DROP_REPLICATION_SLOT $slot" || return 1 ;;
    *) return 0 ;;
  esac
  upstream_command "CREATE_REPLICATION_SLOT $slot PHYSICAL RESERVE_WAL" > /dev/null
}

# Read by the server itself, so that it follows a changed list of pods after a reload.
write_standby_settings() {
  printf "primary_conninfo = '%s'\nprimary_slot_name = '%s'\n" "$upstream" "$slot" > "$standby_settings.new"
  if cmp -s "$standby_settings.new" "$standby_settings"; then
    return 1
  fi
  mv "$standby_settings.new" "$standby_settings"
}
