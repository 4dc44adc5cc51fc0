#!/usr/bin/env bash
# Writes a man page for every command: Scripts/manual.sh [FOLDER]. Then `man -M .build/man bench-cli.train` shows one.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-.build/man}
swift build -c release --product bench-cli
# The argument parser's own tool, from the sources that the build above has fetched: its plug-in would build all products.
swift build -c release --package-path .build/checkouts/swift-argument-parser --scratch-path .build-manual \
  --product generate-manual
mkdir -p "$folder/man1"
.build-manual/release/generate-manual "$(swift build -c release --show-bin-path)/bench-cli" --multi-page \
  --output-directory "$folder/man1"
