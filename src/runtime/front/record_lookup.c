// record_lookup.c - keys of builtin types looked up in lists, tuples, sets and dicts: typed uops that
// run no Python code. All: true if the bytecode has been recorded, false if it is to be recorded in
// a more general way, and nothing but guards was written.
#include "base/helpers.h"
#include "front/record_call.h"

static void
drop(Recorder *r, int n)
{
    for (int i = n - 1; i >= 0; i--) {
        release(r, peek(r, i));
    }
    for (int i = 0; i < n; i++) {
        (void)pop(r);
    }
}

// The key's type is guarded, so that what it is compared with by its hash is settled.
static Ref
plain_key(Recorder *r, Ref ref, PyObject *key)
{
    guard_type(&r->b, ref, Py_TYPE(key));
    return real(r, ref);
}

bool
record_contains(Recorder *r, bool negate)
{
    PyObject *container = concrete(r, 0), *key = concrete(r, 1);
    if (!compat_can_search(Py_TYPE(container)) || compat_contains(container, key) == LOOKUP_UNSURE) {
        return false;
    }
    Builder *b = &r->b;
    guard_type(b, peek(r, 0), Py_TYPE(container));
    Ref ref = plain_key(r, peek(r, 1), key);
    Ref found = build_raw(b, UOP_CONTAINS, peek(r, 0), ref, 0, 0, 0);
    drop(r, 2);
    push_truth(r, negate ? build2(b, UOP_INT_EQ, found, konst_i64(b, 0)) : found);
    return true;
}

static bool
may_find(PyObject *dict, PyObject *key, PyObject **value)
{
    return PyDict_CheckExact(dict) && compat_is_plain_key(key)
        && compat_dict_find(dict, key, value) != LOOKUP_UNSURE;
}

static Ref
find(Recorder *r, Ref dict, Ref key, PyObject *key_now, bool present)
{
    Builder *b = &r->b;
    guard_type(b, dict, &PyDict_Type);
    Ref found = build_raw(b, UOP_DICT_FIND, dict, plain_key(r, key, key_now), 0, 0, 0);
    if (present) {
        build1(b, UOP_GUARD_BOUND, found);
    }
    else {
        build(b, UOP_GUARD_IS, found, 0, 0, 0, 0);
    }
    return found;
}

// dict[key] that is there. A KeyError is raised here only if it is handled here.
bool
record_dict_item(Recorder *r)
{
    PyObject *value = NULL;
    if (!may_find(concrete(r, 1), concrete(r, 0), &value) || (value == NULL && !is_handled_here(r))) {
        return false;
    }
    if (value == NULL) {
        Ref key = real(r, peek(r, 0));
        (void)find(r, peek(r, 1), key, concrete(r, 0), false);
        raise_made(r, PyExc_KeyError, key);
        return true;
    }
    Ref found = find(r, peek(r, 1), peek(r, 0), concrete(r, 0), true);
    own_borrowed(r, found);
    drop(r, 2);
    push(r, found);
    return true;
}

// dict[key] = value. A store to a module's variables may end what this very trace relies on: those, which are watched,
// are left to the general path, behind which that is asked.
bool
record_dict_store(Recorder *r)
{
    PyObject *old_now = NULL;
    if (!may_find(concrete(r, 1), concrete(r, 0), &old_now)
        || (((help_dict *)concrete(r, 1))->version & HELP_DICT_WATCHED)) {
        return false;
    }
    Ref old = find(r, peek(r, 1), peek(r, 0), concrete(r, 0), old_now != NULL);
    (void)real(r, peek(r, 2));
    build1(&r->b, UOP_GUARD_UNTOLD, peek(r, 1));
    build_raw(&r->b, UOP_DICT_SET, peek(r, 1), peek(r, 0), peek(r, 2), 0, 0);
    drop(r, 3);
    if (old_now != NULL) {
        take_back(r, old);
    }
    return true;
}

// dict.get(key) and dict.get(key, default); set.add(key): methods of an object on the stack.
bool
call_lookup_method(Recorder *r, int oparg, Call *c, const char *name)
{
    Builder *b = &r->b;
    PyObject *self = c->objects[0], *value = NULL;
    if (PySet_CheckExact(self) && c->n == 2 && strcmp(name, "add") == 0) {
        if (compat_contains(self, c->objects[1]) == LOOKUP_UNSURE) {
            return false;
        }
        build_raw(b, UOP_SET_ADD, c->args[0], plain_key(r, c->args[1], c->objects[1]), 0, 0, 0);
        pop_call(r, oparg, true);
        push(r, konst_obj(b, Py_None));
        return true;
    }
    if (!PyDict_CheckExact(self) || (c->n != 2 && c->n != 3) || strcmp(name, "get") != 0
        || !may_find(self, c->objects[1], &value)) {
        return false;
    }
    Ref found = find(r, c->args[0], c->args[1], c->objects[1], value != NULL);
    if (value == NULL) {
        found = c->n == 3 ? real(r, c->args[2]) : konst_obj(b, Py_None);
    }
    else {
        own_borrowed(r, found);
    }
    pop_call(r, oparg, true);
    push(r, found);
    return true;
}
