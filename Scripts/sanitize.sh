#!/usr/bin/env bash
# Runs the tests of the lower modules under a sanitizer: Scripts/sanitize.sh address|thread [MODULES] [what `swift test` takes].
#
# `address` finds what is read or written outside of memory that is one's own, and after it is given back. It covers every test of
# NanoPreconditions, NanoCUDA, NanoData, NanoTensor and NanoOptim: their C and their unsafe pointers are all but a few of the
# project's. The tests take some five minutes on two busy cores, those of NanoAutograd and above more than twenty.
# `thread` finds memory that two threads share without taking turns. It covers the tests of NanoData in which threads work on one
# thing; the memory pool, which all modules above share, takes turns with Synchronization.Mutex, which the sanitizer does not see.
set -euo pipefail
cd "$(dirname "$0")/.."

kind=${1:?address or thread}
shift
chosen=()
case $kind in
  address)
    modules=NanoPreconditions,NanoCUDA,NanoData,NanoTensor,NanoOptim
    # Swift's runtime keeps the metadata of types until the process ends: no leak.
    export ASAN_OPTIONS=detect_leaks=0
    # A larger request than there is memory is refused by the system, not by the sanitizer.
    ASAN_OPTIONS+=:allocator_may_return_null=1
    ;;
  thread)
    modules=NanoData
    chosen=(--filter 'tokenFilesAreTheSame|theFirstErrorInTheFile|errorsOfTaking|writersOfOneFileTakeTurns|whoeverWaitsForAFolder')
    ;;
  *)
    echo "sanitize.sh: $kind is neither address nor thread" >&2
    exit 64
    ;;
esac
if [[ ${1:-} == [A-Z]* ]]; then
  modules=$1
  shift
fi
NANO_KIMI_TEST=$modules exec swift test -c release --sanitize "$kind" --scratch-path ".build-$kind" "${chosen[@]}" "$@"
