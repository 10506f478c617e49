#!/bin/sh
# The compose topology for real: build, start, compare two rules, kill a SuperNode in a round.
#
#     sh tests/deploy/containers.sh            minutes, and gigabytes the first time: not part of CI
#
# ENGINE=podman COMPOSE=podman-compose where there is no Docker. BASE names the base image,
# BUILD_OPTIONS and COMPOSE_OPTIONS go to the build and to every compose command. FEDGROUP_KEEP=1
# leaves it running.
set -eu
export COMPOSE_PROFILES=local
cd "$(dirname "$0")/../.."
ENGINE=${ENGINE:-docker}
COMPOSE="${COMPOSE:-docker compose} ${COMPOSE_OPTIONS:-}"
BASE=${BASE:-docker.io/library/python:3.11-slim-bookworm}
LOG=$(mktemp)

say() { printf '\n== %s\n' "$*"; }
clean() {
  if [ -z "${FEDGROUP_KEEP:-}" ]; then $COMPOSE down --volumes >/dev/null 2>&1 || true; fi
  rm -f "$LOG"
}
trap clean EXIT
inside() { $COMPOSE exec -T superlink "$@"; }
named() { $ENGINE ps --format '{{.Names}}' | grep "$1" | head -1; }

say build
# shellcheck disable=SC2086
$ENGINE build --build-arg BASE="$BASE" ${BUILD_OPTIONS:-} -t fedgroup .
say up
mkdir -p data
$COMPOSE up -d
for number in $(seq 120); do
  if inside python -m deploy.health 8000 >/dev/null 2>&1; then break; fi
  sleep 1
done
inside python -m deploy.health 8000
say not root, and data that cannot be written
test "$(inside id -u | tr -d '\r')" = 1000
if inside touch /data/x 2>/dev/null; then exit 1; fi
say two rules, one after the other
inside python -m deploy.compare deploy/comparison.yaml deploy
say the usual command reads the results
inside fedgroup report deploy/comparison.yaml
say a SuperNode dies in the middle of a round and comes back
inside python -m deploy.compare deploy/comparison.yaml deploy --set federation.rounds=5 \
  >"$LOG" 2>&1 &
RUN=$!
NODE=$(named supernode-1)
# the log arrives late, the records do not: rounds 0 and 1 written means that round 2 is under way
recorded() {
  inside sh -c 'wc -l < "$(ls -t /results/*/rounds.jsonl | head -1)"' 2>/dev/null | tr -d '\r '
}
until [ "$(recorded)" = 2 ]; do kill -0 $RUN; sleep 1; done
sleep 1
kill -9 "$($ENGINE inspect -f '{{.State.Pid}}' "$NODE")"
wait $RUN || { cat "$LOG"; exit 1; }
cat "$LOG"
grep -q "partition 1: Error: Node Unavailable" "$LOG"
grep -q "partition 1: now held by node" "$LOG"
printf '\ncontainers: all passed\n'
