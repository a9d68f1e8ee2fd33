#!/bin/sh
# in_root.sh - run a command inside a root made by make_root.sh.
#
#   usage: tools/in_root.sh DIR COMMAND [ARGS...]
#
# The checkout appears inside as /src, /proc and /dev are there, and pip finds the local
# wheels and certificates of this machine. The mounts live in a private mount namespace, so
# they vanish with the command and two commands never disturb one another.
set -eu

root=$(readlink -f "${1:?usage: tools/in_root.sh DIR COMMAND [ARGS...]}")
shift
checkout=$(cd "$(dirname "$0")/.." && pwd)

exec unshare --mount --propagation private sh -eu -c '
    root=$1; checkout=$2; shift 2
    mkdir -p "$root/src" "$root/proc" "$root/dev" "$root/sys"
    mount --bind "$checkout" "$root/src"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount --rbind /sys "$root/sys"
    for extra in /opt ${ROOT_BIND:-}; do
        [ -d "$extra" ] || continue
        mkdir -p "$root$extra"
        mount --rbind "$extra" "$root$extra"
    done
    cp -L /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
    # pip inside reaches what pip outside reaches: same certificates, same configuration.
    for file in /etc/ssl/certs/ca-certificates.crt /etc/pip.conf "$HOME/.config/pip/pip.conf"; do
        [ -f "$file" ] || continue
        mkdir -p "$root$(dirname "$file")"
        [ -e "$root$file" ] || : > "$root$file"
        mount --bind "$file" "$root$file"
    done
    exec chroot "$root" "$@"
' sh "$root" "$checkout" "$@"
