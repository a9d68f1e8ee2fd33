// codeunit.h - _Py_CODEUNIT for files that do not look inside one. CPython declares it in a
// header that only compat_*.c may include; include that one first where both are needed.
#ifndef JITPATCH_CODEUNIT_H
#define JITPATCH_CODEUNIT_H

#include <stdint.h>

#ifndef Py_INTERNAL_CODE_H
typedef uint16_t _Py_CODEUNIT;
#endif

#endif
