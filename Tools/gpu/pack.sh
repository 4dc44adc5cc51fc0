#!/bin/sh
# Packs bench-cli for a machine with a GPU and nothing else: Linux on x86-64 with this machine's glibc or a later one.
#
#   Tools/gpu/pack.sh ARCHIVE.tar.xz [FILE or FOLDER to take along]...
#
# There: tar xf ARCHIVE.tar.xz; nano-kimi-gpu/run.sh bench step --device cuda
#
# Swift's libraries and all others but glibc's lie beside the program; OpenBLAS, which it opens if it is there, is left
# out. The kernels are in the program.
# The archive's ending decides how it is compressed: .tar.gz needs no xz there, and is half as large again.
set -eu
if [ $# -lt 1 ]; then
  sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
archive=$1
shift
root=$(cd "$(dirname "$0")/../.." && pwd)
most_bytes=60000000

cd "$root"
swift build -c release --product bench-cli
program=$(swift build -c release --show-bin-path)/bench-cli
cd - >/dev/null

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
packed=$work/nano-kimi-gpu
mkdir -p "$packed/lib"
strip -o "$packed/bench-cli" "$program"

# Copies what a program or library needs, glibc's own libraries left out.
gather() {
  ldd "$1" | while read -r name arrow path _; do
    case $name in
      libc.so.* | libm.so.* | libresolv.so.* | libpthread.so.* | libdl.so.* | librt.so.* | libutil.so.*) continue ;;
    esac
    [ "$arrow" = "=>" ] || continue
    if [ "$path" = not ]; then
      echo "pack.sh: $1 needs $name, which is not here" >&2
      return 1
    fi
    [ -e "$packed/lib/$name" ] || cp -L "$path" "$packed/lib/$name"
  done
}

gather "$packed/bench-cli"
strip --strip-unneeded "$packed"/lib/*

cp "$root"/Tools/gpu/*.py "$packed"
if [ -e "$root/Tools/gpu/check.sh" ]; then cp "$root/Tools/gpu/check.sh" "$packed"; fi
for extra; do
  mkdir -p "$packed/data"
  cp -R "$extra" "$packed/data"
done

cat >"$packed/run.sh" <<'RUN'
#!/bin/sh
# Runs bench-cli with the libraries beside it.
here=$(cd "$(dirname "$0")" && pwd)
LD_LIBRARY_PATH="$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "$here/bench-cli" "$@"
RUN
chmod +x "$packed/run.sh"

made=$work/$(basename "$archive")
tar -C "$work" -caf "$made" nano-kimi-gpu
bytes=$(wc -c <"$made")
if [ "$bytes" -gt "$most_bytes" ]; then
  echo "pack.sh: the archive has $bytes bytes, more than $most_bytes; take less along" >&2
  exit 1
fi
mv "$made" "$archive"
echo "$archive: $bytes bytes"
