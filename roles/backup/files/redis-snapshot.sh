# Takes a snapshot of Redis, which sends it as it does to a replica, and has Redis' own check count its keys. What goes wrong is
# written down instead of ending the pod: the container after this one puts it where people and Prometheus look.
set -eu
snapshot=${SNAPSHOT:-/snapshot}
REDISCLI_AUTH=$(cat "${PASSWORD_FILE:-/etc/redis-secret/BACKUP_PASSWORD}")
export REDISCLI_AUTH
rm -f "$snapshot"/*

cli() {
  redis-cli -h "${REDIS_HOST:-redis}" -p "${REDIS_PORT:-6379}" --user backup --no-auth-warning "$@"
}

failed() {
  echo "$*" | tee "$snapshot/failed.txt"
  rm -f "$snapshot/dump.rdb"
  exit 0
}

# Network policies let a new pod through a moment after its start. The time of server.txt is that of the snapshot.
for _try in 1 2 3 4 5 6 7 8 9 10; do
  cli info server > "$snapshot/server.txt" 2>&1 || true
  grep -q '^redis_version:' "$snapshot/server.txt" && break
  sleep "${PAUSE:-2}"
done
grep '^redis_version:' "$snapshot/server.txt" || failed "Redis does not answer: $(head -n 1 "$snapshot/server.txt")"
cli --rdb "$snapshot/dump.rdb" > "$snapshot/transfer.txt" 2>&1 ||
  failed "Redis sent no complete snapshot (its log says why): $(tail -n 1 "$snapshot/transfer.txt")"
redis-check-rdb "$snapshot/dump.rdb" > "$snapshot/check.txt" 2>&1 ||
  failed "The snapshot that Redis sent is damaged, its own check says: $(tail -n 1 "$snapshot/check.txt")"
cat "$snapshot/transfer.txt"
