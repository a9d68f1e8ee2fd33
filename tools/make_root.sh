#!/bin/sh
# make_root.sh - a Debian root directory with Debian's own, optimised CPython 3.13.
#
# What the roots are for: Debian builds Python with PGO and LTO (pyenv's is plain -O2/-O3), its
# suites hold other patch releases (3.13.5 in trixie, 3.13.15 in forky), each one more layout to
# test on, and an arm64 root runs the AArch64 code, under qemu-user. A finished root is kept: the
# script then only says so. Nothing outside DIR is changed, but for the registration of qemu.
#
#   usage: tools/make_root.sh DIR [SUITE [ARCH]]
#          SUITE: forky (default) or trixie; ARCH: amd64 or arm64, default: the machine's own
#   needs: root, and apt-get install debootstrap (for another ARCH qemu-user-static, too)
#
# Afterwards, with the checkout visible inside as /src (tools/in_root.sh does the mounts):
#   tools/in_root.sh DIR python3.13 -m venv /venv
#   tools/in_root.sh DIR /venv/bin/pip install /src pytest pyperf
#   tools/in_root.sh DIR /venv/bin/python /src/benchmarks/run.py
# tools/test_roots.py does this for the tests.
set -eu

dir=${1:?usage: tools/make_root.sh DIR [SUITE [ARCH]]}
suite=${2:-forky}
own=$(dpkg --print-architecture)
arch=${3:-$own}
mirror=${MIRROR:-http://deb.debian.org/debian}
scripts=/usr/share/debootstrap/scripts
packages=python3.13-dev,python3.13-venv,libpython3.13-testsuite,gcc,libc6-dev,ca-certificates
done=$dir/etc/jitpatch-root

[ "$arch" = "$own" ] || "$(dirname "$0")/register_qemu.sh" "$arch"
if [ "$(cat "$done" 2> /dev/null)" = "$suite $arch $packages" ]; then
    echo "$dir is there: $suite $arch, $(chroot "$dir" python3.13 -V)"
    exit
fi

# debootstrap mounts /proc in the root and may be interrupted: in mounts of our own, which end with us,
# nothing stays mounted in a directory that somebody then removes.
if [ -z "${JITPATCH_OWN_MOUNTS-}" ]; then
    JITPATCH_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi

# debootstrap has one script for all recent suites; only the name of a new suite is missing.
[ -e "$scripts/$suite" ] || ln -s sid "$scripts/$suite"

# A release file past its date is still the right one for a frozen mirror.
export DEBOOTSTRAP_CHECK_VALID_UNTIL=no

if [ ! -x "$dir/usr/bin/apt-get" ]; then
    debootstrap --variant=minbase --arch="$arch" "$suite" "$dir" "$mirror"
fi
printf 'Acquire::Check-Valid-Until "false";\nAPT::Install-Recommends "false";\n' \
    > "$dir/etc/apt/apt.conf.d/90jitpatch"
cp /etc/resolv.conf "$dir/etc/resolv.conf"

# An earlier run may have been interrupted between unpacking and configuring.
chroot "$dir" env DEBIAN_FRONTEND=noninteractive dpkg --configure -a
chroot "$dir" apt-get update
chroot "$dir" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y $(echo "$packages" | tr , ' ')
chroot "$dir" python3.13 -VV
echo "$suite $arch $packages" > "$done"
