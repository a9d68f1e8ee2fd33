// compat_313.h - the CPython 3.13 headers that compat_313*.c share. Included by nothing else.
#ifndef JITPATCH_COMPAT_313_H
#define JITPATCH_COMPAT_313_H

#ifndef Py_BUILD_CORE_MODULE
#define Py_BUILD_CORE_MODULE 1
#endif
#include <Python.h>
#include <stddef.h>

#if PY_VERSION_HEX < 0x030D0000 || PY_VERSION_HEX >= 0x030E0000
#error "compat_313*.c are for CPython 3.13 only"
#endif

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#endif
#include "internal/pycore_ceval.h"
#include "internal/pycore_code.h"
#include "internal/pycore_dict.h"
#include "internal/pycore_frame.h"
#include "internal/pycore_function.h"
#include "internal/pycore_gil.h"
#include "internal/pycore_instruments.h"
#include "internal/pycore_interp.h"
#include "internal/pycore_list.h"
#include "internal/pycore_long.h"
#include "internal/pycore_object.h"
#include "internal/pycore_pystate.h"
#include "internal/pycore_runtime.h"
#include "internal/pycore_setobject.h"
#include "internal/pycore_unicodeobject.h"
#include "opcode_ids.h"
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
#include "base/activation.h"
#include "python/compat.h"

// compat_313_exceptions.c. An exception of the interpreter's own whose end is that of what it refers to. (MemoryErrors are
// kept for later.)
bool compat_is_plain_exception(PyTypeObject *type);
// Is it known that dropping the exception, the last reference to it, runs no code of the program's?
bool compat_exception_ends_quietly(PyObject *exc);
// compat_313_objects.c. A class made by a class statement on top of object or of such an exception, without __del__.
bool compat_is_plain_class(PyTypeObject *type);

// compat_watched_locally(); native calls ask often.
static inline bool
watched_locally(const PyCodeObject *code)
{
    if (code->_co_monitoring == NULL) {
        return false;
    }
    uint64_t first, last;               // of ten bytes, one for each event
    const uint8_t *tools = code->_co_monitoring->local_monitors.tools;
    memcpy(&first, tools, sizeof first);
    memcpy(&last, tools + _PY_MONITORING_LOCAL_EVENTS - sizeof last, sizeof last);
    const uint8_t others = (uint8_t)~(1 << PY_MONITORING_OPTIMIZER_ID);
    return ((first | last) & (UINT64_MAX / UINT8_MAX * others)) != 0;
}

#endif
