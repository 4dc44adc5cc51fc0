#!/usr/bin/env bash
# Shows a library's reference in a browser: Scripts/reference.sh NanoOptim [PORT]. Nothing is needed beside the toolchain.
set -euo pipefail
cd "$(dirname "$0")/.."
module=${1:?name a library, such as NanoOptim} port=${2:-8080}
pages=Sources/${module#Nano}/$module.docc
[[ -d $pages ]] || { echo "no library has the name $module" >&2; exit 64; }
swift build -c release --target "$module"
built=$(swift build -c release --show-bin-path)
# What `public` declarations the library has; their C modules are named, since the compiler looks for them.
flags=(-target "$(swiftc -print-target-info | sed -n 's/.*"triple": "\(.*\)".*/\1/p' | head -1)")
[[ $(uname) != Darwin ]] || flags+=(-sdk "$(xcrun --show-sdk-path)")
for map in "$built"/*.build/module.modulemap; do flags+=(-Xcc "-fmodule-map-file=$map"); done
graphs=$(mktemp -d)
trap 'rm -rf "$graphs"' EXIT
swift symbolgraph-extract -module-name "$module" -I "$built/Modules" "${flags[@]}" -minimum-access-level public \
  -output-dir "$graphs"
docc preview "$pages" --additional-symbol-graph-dir "$graphs" --port "$port" --diagnostic-level error
