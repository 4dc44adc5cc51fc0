#!/usr/bin/env bash
# Builds in release and runs every test, or those of one module: Scripts/test.sh NanoOptim. Flags go to `swift test`.
set -euo pipefail
cd "$(dirname "$0")/.."
# Folders of their own: builds for tests have other settings than the command's, and those for other modules other targets.
if [[ ${1:-} == [A-Z]* ]]; then
  export NANO_KIMI_TEST=$1
  shift
  exec swift test -c release --scratch-path ".build-$NANO_KIMI_TEST" "$@"
fi
exec swift test -c release --scratch-path .build-test "$@"
