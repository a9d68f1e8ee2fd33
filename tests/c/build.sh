#!/bin/sh
# Build the C test of register assignment and emission: build.sh OUTPUT PYTHON_INCLUDE [FLAGS...]
# CC may be a compiler for another machine: the program then runs in an emulator.
# The tables refer to CPython and to helpers that the traces here never call: traps stand in for them.
set -e
here=$(dirname "$0")
output=$1 include=$2
shift 2
runtime=$here/../../src/runtime generated=$here/../../generated
sed -n 's/^JITPATCH_SYMBOL(\(\w*\));/void \1(void) { __builtin_trap(); }/p' "$generated"/*/stencil_tables.h \
    | sort -u > "$output.symbols.c"
exec ${CC:-gcc} -std=gnu11 -O1 -g -Wall -Wextra -Wno-missing-field-initializers -Wno-sign-compare \
    -Wno-unused-parameter -no-pie -I"$runtime" -I"$include" "$@" -o "$output" \
    "$here/test_assign.c" "$here/random_trace.c" "$here/trace_tool.c" "$here/trash.c" "$runtime/back/tables.c" "$runtime/ir/uop_table.c" \
    "$runtime/back/assign.c" "$runtime/back/assign_live.c" "$runtime/back/assign_loop.c" \
    "$runtime/back/assign_regs.c" "$runtime/back/moves.c" "$runtime/back/emit.c" "$runtime/back/codemem.c" "$runtime"/back/pages_*.c \
    "$runtime"/back/patch_*.c "$runtime"/back/enter_*.c "$runtime/base/os_posix.c" \
    "$output.symbols.c" -lm
