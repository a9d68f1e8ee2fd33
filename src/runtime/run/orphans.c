// orphans.c - code that nobody can call any more, though its traces keep it alive.
//
// A trace keeps objects that its machine code names: functions, classes, the module's dictionary. From those a
// reference often leads back to the trace's own code object, whose side table holds the trace. The garbage collector
// cannot see that cycle, for code objects take no part in collections. So before a full collection, and after so
// many new traces, the cycles are looked for here, and their traces retired; the rest is the collector's.
//
// In:   all live executors.
// Out:  the trees retired whose code object is referred to by nothing but such cycles.
//
// It is what a collection does (references that are not accounted for come from outside; what those reach lives),
// over objects near the traces only. Whatever is not looked at counts as outside: so a limit on how many are, and
// leaving out modules, can only have too much kept. To retire too much would cost speed only.
// Nothing here runs Python code before the first tree is retired.

#include "run/executor_life.h"

enum { NODES = 1024, NODES_PER_TRACE = 64, NONE = -1 };

typedef struct {
    PyObject *object;           // borrowed
    Py_ssize_t outside;         // references to it that are not accounted for
    int32_t first;              // of the executors of its trees, if it is a code object
    bool closed;                // what it refers to is not followed
    bool alive;
} Node;

typedef struct {
    Node *nodes;                // in the order in which they were found
    int32_t n, most;
    int32_t *index;             // open addressing by address: number + 1, or 0
    size_t mask;
    int32_t *next;              // [executor]: the next one of the same code object
    int32_t *reached;           // nodes found alive, to be followed
    int32_t n_reached;
} Graph;

static int32_t *
index_of(const Graph *g, const PyObject *object)
{
    for (size_t i = ((uintptr_t)object >> 4) * 0x9E3779B97F4A7C15ull >> 20;; i++) {
        int32_t *at = &g->index[i & g->mask];
        if (*at == 0 || g->nodes[*at - 1].object == object) {
            return at;
        }
    }
}

// Its node, made if there is room; else NULL.
static Node *
need_node(Graph *g, PyObject *object)
{
    int32_t *at = index_of(g, object);
    if (*at == 0) {
        if (g->n == g->most) {
            return NULL;
        }
        g->nodes[g->n] = (Node){.object = object, .outside = Py_REFCNT(object), .first = NONE};
        *at = ++g->n;
    }
    return &g->nodes[*at - 1];
}

static bool
can_be_in_cycle(PyObject *object)
{
    return PyCode_Check(object) || (PyObject_IS_GC(object) && PyObject_GC_IsTracked(object));
}

static int
account(PyObject *object, void *graph)
{
    Node *node = can_be_in_cycle(object) ? need_node(graph, object) : NULL;
    if (node != NULL) {
        node->closed |= PyModule_Check(object);
        node->outside--;
    }
    return 0;
}

static int
reach(PyObject *object, void *graph)
{
    Graph *g = graph;
    int32_t number = can_be_in_cycle(object) ? *index_of(g, object) : 0;
    if (number != 0 && !g->nodes[number - 1].alive) {
        g->nodes[number - 1].alive = true;
        g->reached[g->n_reached++] = number - 1;
    }
    return 0;
}

static void
visit_all(PyObject *const *items, Py_ssize_t n, visitproc visit, Graph *g)
{
    for (Py_ssize_t i = 0; i < n; i++) {
        visit(items[i], g);
    }
}

static Executor *
live_executor(Py_ssize_t i)
{
    return (Executor *)PyList_GET_ITEM(jit.executors, i);
}

// What a node refers to: by its type, or, for a code object, the code in it and what its traces keep.
static void
visit_references(Graph *g, int32_t number, visitproc visit)
{
    Node node = g->nodes[number];
    if (node.closed) {
        return;
    }
    if (!PyCode_Check(node.object)) {
        Py_TYPE(node.object)->tp_traverse(node.object, visit, g);
        return;
    }
    PyObject *consts = ((PyCodeObject *)node.object)->co_consts;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(consts); i++) {
        if (PyCode_Check(PyTuple_GET_ITEM(consts, i))) {
            visit(PyTuple_GET_ITEM(consts, i), g);
        }
    }
    for (int32_t i = node.first; i != NONE; i = g->next[i]) {
        PyObject *keep = live_executor(i)->keep;
        if (keep != NULL) {
            visit_all(((PyListObject *)keep)->ob_item, PyList_GET_SIZE(keep), visit, g);
        }
    }
}

// The dictionaries of modules that can be imported: alive, and all of the program would be followed from them.
static void
close_modules(Graph *g)
{
    PyObject *modules = PySys_GetObject("modules"), *module;
    Py_ssize_t at = 0;
    while (modules != NULL && PyDict_Check(modules) && PyDict_Next(modules, &at, NULL, &module)) {
        Node *node = PyModule_Check(module) ? need_node(g, PyModule_GetDict(module)) : NULL;
        if (node != NULL) {
            node->closed = true;
        }
    }
}

static void
add_trees(Graph *g, Py_ssize_t n)
{
    for (Py_ssize_t i = 0; i < n; i++) {
        PyCodeObject *code = live_executor(i)->root->code;
        Node *node = code == NULL || live_executor(i)->root->retired ? NULL : need_node(g, (PyObject *)code);
        if (node != NULL) {
            g->next[i] = node->first;
            node->first = (int32_t)i;
        }
    }
}

static void
find_living(Graph *g)
{
    for (int32_t i = 0; i < g->n; i++) {            // grows meanwhile
        visit_references(g, i, account);
    }
    for (int32_t i = 0; i < g->n; i++) {
        if (g->nodes[i].outside > 0 && !g->nodes[i].alive) {
            g->nodes[i].alive = true;
            g->reached[g->n_reached++] = i;
        }
    }
    while (g->n_reached > 0) {
        visit_references(g, g->reached[--g->n_reached], reach);
    }
}

static bool
graph_init(Graph *g, Py_ssize_t n_live)
{
    Py_ssize_t modules = PyDict_Check(PySys_GetObject("modules")) ? PyDict_GET_SIZE(PySys_GetObject("modules")) : 0;
    size_t size = 4096, most = (size_t)(NODES + modules + NODES_PER_TRACE * n_live);
    while (size < most * 2) {
        size *= 2;
    }
    *g = (Graph){.most = (int32_t)most, .mask = size - 1};
    g->nodes = PyMem_RawMalloc(most * sizeof *g->nodes);
    g->reached = PyMem_RawMalloc(most * sizeof *g->reached);
    g->next = PyMem_RawMalloc((size_t)n_live * sizeof *g->next);
    g->index = PyMem_RawCalloc(size, sizeof *g->index);
    return g->nodes != NULL && g->reached != NULL && g->next != NULL && g->index != NULL;
}

static void
graph_fini(Graph *g)
{
    PyMem_RawFree(g->nodes);
    PyMem_RawFree(g->reached);
    PyMem_RawFree(g->next);
    PyMem_RawFree(g->index);
}

// The roots of the trees that only cycles hold, in a list; NULL, without an exception, if memory is out.
static PyObject *
list_orphans(Py_ssize_t n)
{
    PyObject *orphans = PyList_New(0);
    Graph g;
    if (graph_init(&g, n) && orphans != NULL) {
        close_modules(&g);
        add_trees(&g, n);
        find_living(&g);
        for (Py_ssize_t i = 0; i < n; i++) {
            Executor *ex = live_executor(i);
            int32_t number = ex->is_side || ex->code == NULL ? 0 : *index_of(&g, (PyObject *)ex->code);
            if (number != 0 && !g.nodes[number - 1].alive && PyList_Append(orphans, (PyObject *)ex) < 0) {
                PyErr_Clear();
                break;
            }
        }
    }
    graph_fini(&g);
    return orphans;
}

void
orphans_retire(void)
{
    PyObject *modules = PySys_GetObject("modules");
    Py_ssize_t n = executor_count_live();
    if (n == 0 || modules == NULL || n > INT32_MAX / (2 * NODES_PER_TRACE)) {
        return;
    }
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *orphans = list_orphans(n);
    PyErr_Clear();
    if (orphans != NULL) {
        executor_retire_together((Executor **)((PyListObject *)orphans)->ob_item,
                                 (size_t)PyList_GET_SIZE(orphans));
    }
    Py_XDECREF(orphans);
    PyErr_SetRaisedException(exc);
}
