#!/usr/bin/env bash
# usage: bench/peers.sh FOLDER
#
# Puts the newest bpftrace of Debian's unstable suite with its libraries into FOLDER, and a starter FOLDER/bpftrace, which runs it under the
# loader that came with it. FOLDER is kept, so the next run is instant; remove it to fetch anew.
set -euo pipefail
[ $# = 1 ] || { sed -n 2p "$0" >&2; exit 2; }
mkdir -p "$1"
top=$(cd "$1" && pwd)
root=$top/root
[ ! -x "$top/bpftrace" ] || { echo "$top/bpftrace"; exit 0; }

"$(dirname "$0")/../build/unpack" "$top" sid bpftrace

loader=$(find "$root" -name 'ld-linux-x86-64.so.2' \( -type f -o -type l \) | head -1)
libraries=$(find "$root" -name '*.so*' -printf '%h\n' | sort -u | grep -vE '/(gconv|perl|python)' | paste -sd:)
cat > "$top/bpftrace" <<STARTER
#!/bin/sh
exec "$loader" --library-path "$libraries" "$root/usr/bin/bpftrace" "\$@"
STARTER
chmod +x "$top/bpftrace"
"$top/bpftrace" --version >&2
echo "$top/bpftrace"
