#!/usr/bin/env bash
# Builds every test with a sanitizer and runs them: Scripts/sanitize.sh address|thread [arguments of swift test, such as --filter].
#
# What is suppressed is named in Scripts/sanitizers/, with the reason. Builds take minutes and the tests run three to ten times
# slower; NANO_SANITIZE_QUICK=1 leaves out the tests that start whole runs of bench-cli.
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:?address or thread}
shift
case $kind in
  address) export ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0 ;;
  thread) export TSAN_OPTIONS=suppressions=$PWD/Scripts/sanitizers/thread.txt:halt_on_error=0:exitcode=66 ;;
  *) echo "sanitize.sh: $kind is neither address nor thread" >&2; exit 2 ;;
esac
skip=()
[ "${NANO_SANITIZE_QUICK:-0}" = 1 ] && skip=(--skip BenchCLITests)
swift test -c release --sanitize="$kind" --scratch-path ".build-$kind" "${skip[@]}" "$@"
