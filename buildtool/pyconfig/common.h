// common.h - what CPython's headers ask of pyconfig.h on every target, as far as templates need it.
//
// Templates are compiled for a target, whose facts stand here and in the file of its system; the
// host's pyconfig.h is not read. buildtool/targets.py states the sizes a second time, and each
// compilation compares the two with the compiler's own.
#define HAVE_BUILTIN_ATOMIC 1
#define HAVE_STD_ATOMIC 1
#define PY_FORMAT_SIZE_T "z"
#define SIZEOF_DOUBLE 8
#define SIZEOF_FLOAT 4
#define SIZEOF_INT 4
#define SIZEOF_LONG_LONG 8
#define SIZEOF_SHORT 2
#define SIZEOF__BOOL 1
#define WITH_DOC_STRINGS 1
#define WITH_FREELISTS 1
#define WITH_PYMALLOC 1
