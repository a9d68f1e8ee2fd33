// ref.c - reference counts.
//
// The recorder counts references by its own books (record_state.c) and writes only those changes down
// that somebody could see.
#include "stencil.h"
#include "../runtime/base/helpers.h"

// One reference more.
UOP(INCREF, (OBJ o), VOID, EFFECT, ())
{
    uint32_t count = (uint32_t)o->ob_refcnt_split[0] + 1;
    if (LIKELY(count != 0)) {
        o->ob_refcnt_split[0] = count;
    }
}

// One reference less, of an object whose destruction cannot be noticed or is done only if it
// cannot; otherwise exits before the reference is dropped, and the exit drops it.
UOP(DECREF, (OBJ o), VOID, EFFECT | EXITS, ())
{
    Py_ssize_t count = o->ob_refcnt;
    if (LIKELY((int32_t)count >= 0)) {
        COLD_IF(count == 1);
        o->ob_refcnt = count - 1;
    }
}
COLD
{
    EXIT_IF(!help_dealloc(o));
}

// One reference less, of an object whose destruction may run the program's own code.
UOP(DECREF_LOUD, (OBJ o), VOID, EFFECT | CALLS | ESCAPES, ())
{
    Py_ssize_t count = o->ob_refcnt;
    if ((int32_t)count >= 0) {
        o->ob_refcnt = count - 1;
        if (count == 1) {
            _Py_Dealloc(o);
        }
    }
}

// One reference less, of an exact int, str or other object without references of its own.
UOP(DECREF_SIMPLE, (OBJ o), VOID, EFFECT, ())
{
    Py_ssize_t count = o->ob_refcnt;
    if (LIKELY((int32_t)count >= 0)) {
        o->ob_refcnt = count - 1;
        COLD_IF(count == 1);
    }
}
COLD
{
    _Py_Dealloc(o);
}

// One reference less, of an exact float: its memory goes to the interpreter's list of free ones.
UOP(DECREF_FLOAT, (OBJ o), VOID, EFFECT, (IMM64 freelist))
{
    Py_ssize_t count = o->ob_refcnt;
    if (LIKELY((int32_t)count >= 0)) {
        o->ob_refcnt = count - 1;
        if (count == 1) {
            help_float_freelist *list = (help_float_freelist *)(uintptr_t)freelist;
            COLD_IF((unsigned)list->numfree >= 100);    // PyFloat_MAXFREELIST; negative: closed
            list->numfree++;
            o->ob_type = (PyTypeObject *)list->items;
            list->items = o;
        }
    }
}
COLD
{
    _Py_Dealloc(o);
}

// One reference less, of an object that is known to have others.
UOP(DECREF_SHARED, (OBJ o), VOID, EFFECT, ())
{
    if (LIKELY((int32_t)o->ob_refcnt >= 0)) {
        o->ob_refcnt--;
    }
}

// One reference less of a slot of the root frame, if it holds an object at all (see SLOT_BOX).
UOP(DECREF_SLOT, (), VOID, EFFECT, (IMM32 offset))
{
    OBJ o = *(OBJ *)((char *)act->frame + offset);
    if (o != NULL) {
        Py_ssize_t count = o->ob_refcnt;
        if (LIKELY((int32_t)count >= 0)) {
            o->ob_refcnt = count - 1;
            COLD_IF(count == 1);
        }
    }
}
COLD
{
    _Py_Dealloc(*(OBJ *)((char *)act->frame + offset));
}
