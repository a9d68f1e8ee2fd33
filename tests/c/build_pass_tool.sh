#!/bin/sh
# Build the module that runs one pass on a trace's text: build_pass_tool.sh OUTPUT PYTHON_INCLUDE [FLAGS...]
set -e
here=$(dirname "$0")
output=$1 include=$2
shift 2
runtime=$here/../../src/runtime
exec ${CC:-gcc} -std=gnu11 -O1 -g -Wall -Wextra -Wno-unused-parameter -fno-strict-aliasing -fPIC -shared -DJITPATCH_TOOL \
    -I"$runtime" -I"$include" "$@" -o "$output" "$here/pass_tool.c" "$here/ir_parse.c" "$runtime/ir/build.c" "$runtime/ir/opt_fold.c" "$runtime"/opt/*.c \
    "$runtime/ir/ir_text.c" "$runtime/ir/verify.c" "$runtime/ir/verify_pass.c"
