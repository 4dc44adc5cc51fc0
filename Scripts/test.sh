#!/usr/bin/env bash
# Builds in release and runs every test, or those of one module: Scripts/test.sh NanoOptim. Flags go to `swift test`.
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ ${1:-} == [A-Z]* ]]; then
  export NANO_KIMI_TEST=$1
  shift
  # A folder of its own: builds for other modules have other targets.
  exec swift test -c release --scratch-path ".build-$NANO_KIMI_TEST" "$@"
fi
swift build -c release --product bench-cli
swift test -c release "$@"
