#!/usr/bin/env bash
# usage: bench/peers.sh FOLDER
#
# Puts the newest bpftrace of Debian's unstable suite with its libraries into FOLDER, and a starter FOLDER/bpftrace. Nothing
# is installed: apt runs with a configuration, lists and cache of its own, packages are unpacked with dpkg -x, and the
# program runs under the loader that came with it. The mirror is the one this machine's apt uses. FOLDER is kept, so the next
# run is instant; remove it to fetch anew.
set -euo pipefail
[ $# = 1 ] || { sed -n 2p "$0" >&2; exit 2; }
mkdir -p "$1"
top=$(cd "$1" && pwd)
root=$top/root
[ ! -x "$top/bpftrace" ] || { echo "$top/bpftrace"; exit 0; }

# The mirror and the keyring that this machine trusts: of the first source that carries Debian itself.
mirror=$(apt-get indextargets --format '$(REPO_URI) $(SUITE)' 'Created-By: Packages' 2>/dev/null |
  awk '$2 ~ /^(bookworm|trixie|stable|oldstable|sid|unstable|testing)$/ {print $1; exit}')
[ -n "$mirror" ] || { echo "peers: no Debian mirror among apt's sources" >&2; exit 1; }
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$keyring" ] || { echo "peers: no $keyring" >&2; exit 1; }

mkdir -p "$top"/apt/{etc/preferences.d,etc/trusted.gpg.d,etc/apt.conf.d,lists/partial,cache/archives/partial,state} "$top/debs"
: > "$top/apt/state/status"
cat > "$top/apt/etc/sources.sources" <<SOURCES
Types: deb
URIs: $mirror
Suites: sid
Components: main
Signed-By: $keyring
SOURCES
cat > "$top/apt/apt.conf" <<CONF
Dir::Etc "$top/apt/etc";
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "$top/apt/etc";
Dir::State "$top/apt/state";
Dir::State::Lists "$top/apt/lists";
Dir::State::Status "$top/apt/state/status";
Dir::Cache "$top/apt/cache";
APT::Architecture "amd64";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
CONF
# The machine's own proxy settings stay in force; only the folders are replaced.
apt() { command apt-get -c "$top/apt/apt.conf" -qq "$@"; }

apt update >&2
packages=$(command apt-cache -c "$top/apt/apt.conf" depends --recurse --no-recommends --no-suggests --no-conflicts \
  --no-breaks --no-replaces --no-enhances bpftrace | grep '^[a-z0-9]' | sort -u)
(cd "$top/debs" && apt download $packages >&2)
mkdir -p "$root"
for deb in "$top"/debs/*.deb; do dpkg -x "$deb" "$root"; done

loader=$(find "$root" -name 'ld-linux-x86-64.so.2' \( -type f -o -type l \) | head -1)
libraries=$(find "$root" -name '*.so*' -printf '%h\n' | sort -u | grep -vE '/(gconv|perl|python)' | paste -sd:)
cat > "$top/bpftrace" <<STARTER
#!/bin/sh
exec "$loader" --library-path "$libraries" "$root/usr/bin/bpftrace" "\$@"
STARTER
chmod +x "$top/bpftrace"
"$top/bpftrace" --version >&2
rm -rf "$top/debs" "$top/apt/cache"
echo "$top/bpftrace"
