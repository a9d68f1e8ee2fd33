// mutation.h - faults that are built in on purpose, to see that tests find them: setup.py with JITPATCH_MUTATION=NAME,
// in debug builds alone. tools/mutate.py builds each one and runs the tests that must fail.
#ifndef JITPATCH_MUTATION_H
#define JITPATCH_MUTATION_H

enum {
    MUTATION_none,
    MUTATION_drop_guard,                // types of objects are not checked
    MUTATION_drop_overflow_check,       // sums of ints wrap
    MUTATION_no_dict_watcher,           // a change of a module's variable goes unnoticed
    MUTATION_no_type_watcher,           // a change of a class, too
    MUTATION_no_guard_valid,            // a trace that became invalid while it called runs on
    MUTATION_leak_reference,            // an exit gives slots a reference too many
    MUTATION_lose_reference,            // references are not counted up
    MUTATION_stale_memory,              // loads are forwarded over unknown code
    MUTATION_lost_store,                // exits do not do the stores that were held back
    MUTATION_lost_phi,                  // the loop's last variable stays what it was in the first turn
};

#ifndef JITPATCH_MUTATION
#define JITPATCH_MUTATION MUTATION_none
#elif !defined(JITPATCH_DEBUG)
#error "faults are built into debug builds alone"
#endif

// Is this the fault that was asked for? A constant: other builds have nothing of it.
#define MUTATED(name) (JITPATCH_MUTATION == MUTATION_##name)

#endif
