#!/usr/bin/env bash
# Builds in release and runs every test; arguments go to `swift test`, such as --filter NanoOptimTests.
set -euo pipefail
cd "$(dirname "$0")/.."
swift build -c release --product bench-cli
swift test -c release "$@"
