#!/bin/sh
# register_qemu.sh - have the kernel run another machine's programs through qemu-user-static.
#
# The flags: O and C, the interpreter is given the open file and its credentials; F, the kernel
# opens the interpreter now, so that it is found inside a root that has none.
#
#   usage: tools/register_qemu.sh ARCH      ARCH: arm64, as Debian names it
#   needs: root, and apt-get install qemu-user-static
set -eu

case ${1:?usage: tools/register_qemu.sh ARCH} in
    arm64) machine=aarch64 number=b7 ;;
    *) echo "register_qemu.sh: unknown architecture $1" >&2; exit 2 ;;
esac
folder=/proc/sys/fs/binfmt_misc
qemu=/usr/bin/qemu-$machine-static
[ -x "$qemu" ] || { echo "register_qemu.sh: no $qemu: apt-get install qemu-user-static" >&2; exit 1; }
[ -e $folder/register ] || mount -t binfmt_misc binfmt_misc $folder
[ ! -e "$folder/qemu-$machine" ] || exit 0

# The head of an ELF file: 64 bits, little-endian, an executable or shared object of that machine.
magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x'$number'\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
printf '%s' ":qemu-$machine:M::$magic:$mask:$qemu:OCF" > $folder/register
