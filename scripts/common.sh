# shellcheck shell=bash
# What the scripts share: where the project and its cache are, how they speak, and how two of them keep out of each
# other's way. Sourced, never run.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
mkdir -p "${PARLOR_CACHE:=$root/.cache}"
cache=$(cd "$PARLOR_CACHE" && pwd -P)
export PARLOR_CACHE=$cache

nats_version=2.14.5
# shellcheck disable=SC2034 # used by the scripts that source this
cassandra_version=5.0.5
# shellcheck disable=SC2034
deny_version=0.20.2

say() { printf '%s: %s\n' "${0##*/}" "$*"; }

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

have() { command -v "$1" >/dev/null; }

# Holds the lock called $1 until the script ends. A process left running must be started with 9>&-, or it keeps it.
lock() {
  exec 9>>"$cache/$1.lock"
  flock --nonblock 9 || { say "another run is at it, waiting for it to finish" && flock 9; }
}

# Becomes the testbed's command with the profile $1 and these arguments: PARLOR_TESTBED names one that is built already.
# Otherwise it is built as a part of the workspace, whose dependencies have the same features then.
testbed() {
  local program=${PARLOR_TESTBED:-$root/target/$1/parlor-testbed} profile=()
  [ "$1" = debug ] || profile=(--release)
  [ -n "${PARLOR_TESTBED:-}" ] ||
    (cd "$root" && cargo build --quiet --locked --workspace --bin parlor-testbed "${profile[@]}")
  exec "$program" "${@:2}"
}

# Prints the path of a NATS server that is new enough: the PATH's, else the one scripts/install built; fails without.
nats_server() {
  local found
  if found=$(command -v nats-server) && new_enough "$("$found" --version)"; then
    echo "$found"
  else
    found=$cache/nats-server-$nats_version/nats-server
    [ -x "$found" ] && echo "$found"
  fi
}

# Whether a version line such as "nats-server: v2.14.5" is 2.14 or later.
new_enough() {
  local version=${1##*v}
  [ "$(printf '%s\n' 2.14 "$version" | sort --version-sort | head -n 1)" = 2.14 ]
}
