# Restores a snapshot on the volume of Redis. While Redis runs: `build` makes and proves the data beside the live one, `find` says
# what there is to go back to, `remove` deletes what restores left. While it does not: `swap` and `revert` let the two change
# places. Each may be cut off anywhere, and goes on when it is repeated.
# A dump.rdb beside "appendonly yes" starts empty without an error: so the log is made from the snapshot first.
set -eu
umask 077
data=${DATA:-/data}
work=${WORK:-/work}
parts='appendonlydir dump.rdb'
load_seconds=${LOAD_SECONDS:-3600}

fail() {
  echo "$*" >&2
  exit 1
}

say() {
  echo "$(date -u +%H:%M:%S) $*"
}

cli() {
  redis-cli -s "$work/redis.sock" "$@"
}

field() {
  sed -n "s/^$1:\([^\r]*\).*/\1/p" "$work/info"
}

# Sum over all databases of one figure of the key space: keys or expires.
keyspace() {
  awk -F '[:,]' -v name="$1=" '/^db[0-9]+:/ { for (i = 2; i <= NF; i++) if (index($i, name) == 1) sum += substr($i, length(name) + 1) }
    END { printf "%d\n", sum }' "$work/info"
}

start() {
  redis-server --port 0 --unixsocket "$work/redis.sock" --dir "$partial" --dbfilename dump.rdb --save '' "$@" > "$work/log" &
  server=$!
  wait_until '[ "$(cli ping 2>/dev/null)" = PONG ]' "load the data"
  cli info everything > "$work/info"
}

stop() {
  cli shutdown nosave > /dev/null 2>&1 || true
  wait "$server" || true
}

wait_until() {
  waited=0
  until eval "$1"; do
    kill -0 "$server" 2> /dev/null || fail "Redis ended while it should $2: $(tail -n 1 "$work/log")"
    [ "$waited" -lt $((load_seconds * 5)) ] || fail "Redis did not $2 within $load_seconds s."
    waited=$((waited + 1))
    sleep 0.2
  done
}

log_is_made() {
  cli info persistence > "$work/info"
  [ "$(field aof_rewrite_in_progress)$(field aof_rewrite_scheduled)" = 00 ] && [ "$(field aof_enabled)" = 1 ]
}

report() {
  printf 'RESULT {"id": "%s", "state": "%s", "keys": %s, "volatile": %s, "expired": %s}\n' "$@"
}

build() {
  id=$(cat "$work/id")
  partial=$data/restored-$id.partial
  if [ -d "$data/before-$id" ] && [ ! -d "$data/restored-$id" ]; then
    say "snapshot $id is swapped in already"
    # shellcheck disable=SC2046
    report "$id" swapped $(cat "$data/restored.txt" 2> /dev/null || echo 0 0 0)
    return
  fi
  if [ ! -d "$data/restored-$id" ]; then
    redis-check-rdb "$partial/dump.rdb" > "$work/check" ||
      fail "Snapshot $id is damaged, Redis' own check says: $(tail -n 1 "$work/check"). Choose another backup."
    keys=$(sed -n 's/^\[info\] \([0-9]*\) keys read.*/\1/p' "$work/check")
    expected=$(cat "$work/keys")
    [ "$keys" = "${expected:-$keys}" ] || fail "Snapshot $id holds $keys keys, but its manifest says $expected."
    say "load $keys keys"
    rm -rf "$partial/appendonlydir"
    start --appendonly no
    loaded=$(keyspace keys) volatile=$(keyspace expires)
    expired=$(($(field rdb_last_load_keys_expired) + $(field expired_keys)))
    [ $((loaded + expired)) -eq "$keys" ] || fail "Redis loaded $loaded of $keys keys of snapshot $id ($expired had expired)."
    say "make the log of $loaded keys ($expired had expired)"
    [ "$(cli config set appendonly yes)" = OK ] || fail "Redis refused to switch its log on."
    wait_until log_is_made "make its log"
    [ "$(field aof_last_bgrewrite_status)" = ok ] || fail "Redis could not make its log: $(tail -n 1 "$work/log")"
    stop
    say "start from the log, as Redis will"
    start --appendonly yes
    again=$(keyspace keys)
    stop
    if [ "$again" -gt "$loaded" ] || [ $((again + volatile)) -lt "$loaded" ]; then
      fail "From its log Redis loaded $again of $loaded keys."
    fi
    echo "$again $volatile $expired" > "$partial/restored.txt"
    sync
    mv "$partial" "$data/restored-$id"
  fi
  refuse_conflict "$data/before-$id" "$data/restored-$id"
  # shellcheck disable=SC2046
  report "$id" restored $(cat "$data/restored-$id/restored.txt")
}

# What is in both places belongs to an earlier exchange.
refuse_conflict() {
  [ -d "$1" ] || return 0
  for part in $parts; do
    if [ -e "$data/$part" ] && [ -e "$2/$part" ]; then
      fail "${1##*/} is there from an earlier restore: remove what is left first (remove=true)."
    fi
  done
}

# $1: where the live data goes, $2: what becomes live.
exchange() {
  aside=$1 successor=$2
  [ -d "$successor" ] || [ -d "$aside" ] || fail "There is no folder ${successor##*/} on the volume: nothing to exchange."
  refuse_conflict "$aside" "$successor"
  if [ ! -d "$aside" ]; then
    mkdir -p "$aside.partial"
    for part in $parts restored.txt; do
      [ ! -e "$data/$part" ] || mv "$data/$part" "$aside.partial/"
    done
    sync
    mv "$aside.partial" "$aside"
  fi
  for part in $parts restored.txt; do
    [ ! -e "$successor/$part" ] || mv "$successor/$part" "$data/"
  done
  sync
  rm -rf "$successor"
}

# The backup that was named, or the one that was swapped in last; failing that, one that was only built.
find() {
  id=$1
  if [ "$id" = latest ]; then
    newest=$(cd "$data" && { ls -dt before-*Z || ls -dt restored-*Z; } 2> /dev/null | head -n 1)
    [ -n "$newest" ] || fail "No restore left anything on the volume of Redis: there is nothing to go back to."
    id=${newest#*-}
  fi
  if [ -d "$data/before-$id" ] || [ -d "$data/restored-$id.partial" ]; then
    refuse_conflict "$data/restored-$id" "$data/before-$id"
    report "$id" found 0 0 0
  elif [ -d "$data/restored-$id" ]; then
    report "$id" reverted 0 0 0
  else
    fail "No restore of $id left anything on the volume of Redis: there is nothing to go back to."
  fi
}

remove() {
  removed=0
  rm -f "$data/restored.txt"
  for folder in "$data"/before-* "$data"/restored-*; do
    case $folder in
      *'*') ;;
      *)
        rm -rf "$folder"
        removed=$((removed + 1))
        say "${folder##*/} removed"
        ;;
    esac
  done
  printf 'RESULT {"state": "removed", "removed": %s}\n' "$removed"
}

command -v flock > /dev/null || fail "The image of Redis has no program flock."
exec 9> "$data/.restore.lock"
flock -n 9 || fail "Another restore of Redis is at work: wait until it has ended."
case $1 in
  build) build ;;
  find) find "$2" ;;
  swap)
    exchange "$data/before-$2" "$data/restored-$2"
    report "$2" swapped 0 0 0
    ;;
  revert)
    exchange "$data/restored-$2" "$data/before-$2"
    report "$2" reverted 0 0 0
    ;;
  remove) remove ;;
  *) fail "usage: restore-redis.sh build|find|swap|revert|remove [ID]" ;;
esac
