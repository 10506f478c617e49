#!/bin/sh
# End to end on tiny settings: the command line, then Flower's own runtime, then the same report.
set -eu
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
export FEDGROUP_CACHE="$WORK/cache" FEDGROUP_RESULTS="$WORK/results" OMP_NUM_THREADS=1
TINY="--set federation.rounds=2 --set task.train.epochs=1 --set task.partition.clients=20"
FEW="--set federation.fraction=0.25 --set federation.eval_every=2"

say() { printf '\n== %s\n' "$*"; }

say fedgroup --help
fedgroup --help >/dev/null
say fedgroup list
fedgroup list >/dev/null
say fedgroup data show synthbirds
fedgroup data show synthbirds --out "$WORK/samples.png" >/dev/null
test -s "$WORK/samples.png"
say poisons beside their bases
fedgroup data show synthbirds --attack dlbd --out "$WORK/poisons.png" | grep "47 in all"
say fedgroup show demo
fedgroup show demo $TINY >/dev/null
say fedgroup run demo, small enough for a minute
fedgroup run demo $TINY $FEW
say the same again runs nothing
fedgroup run demo $TINY $FEW | grep "7 runs, 7 done"
fedgroup status demo $TINY $FEW | grep -c done
for file in report.md summary.csv runs.csv curves.png groups.png influence.png; do
  test -s "$WORK/results/reports/demo/$file"
done
say a wrong name is one line and exit code 2
if fedgroup run demo --set federation.aggregator=medain 2>"$WORK/error"; then exit 1; fi
test "$(wc -l <"$WORK/error")" = 1
grep "did you mean 'median'" "$WORK/error"

say flwr run, offline
export FLWR_HOME="$WORK/flwr" FLWR_TELEMETRY_ENABLED=0 FLWR_DISABLE_UPDATE_CHECK=1
export FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION=1 RAY_USAGE_STATS_ENABLED=0
mkdir -p "$FLWR_HOME"
cat >"$FLWR_HOME/config.toml" <<'TOML'
[superlink]
default = "local"

[superlink.local]
address = ":local:"
TOML
# nobody's SuperLink answers on a free port, so that each command starts, uses and stops its own
export FLWR_LOCAL_SUPERLINK_HTTP_API_PORT="$(python -c '
import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')"
flower() {
  fedgroup flwr local --federation-config "num-supernodes=4" --run-config \
    "results=\"$WORK/flower\" task.partition.clients=4 task.train.epochs=1 federation.rounds=2 $1"
}
flower 'federation.aggregator.use="median"'
test "$(ls "$WORK"/flower/*/result.json | wc -l)" = 1
say a run that fails inside Flower exits with 1
IMPOSSIBLE='federation.aggregator.use="trimmed_mean" set="federation.aggregator.trim=2"'
if flower "$IMPOSSIBLE"; then exit 1; fi
say no SuperLink is left
if pgrep -f "flower-superlink.*$WORK"; then exit 1; fi
say the same experiment in process gives the same model, bit for bit
python -m tests.same_model "$WORK"/flower/*/ "$WORK/twin"
printf '\nsmoke: all passed\n'
