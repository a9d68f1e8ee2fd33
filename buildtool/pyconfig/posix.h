// posix.h - 64-bit systems with POSIX threads: long has 64 bits, wchar_t 32.
#include "common.h"
#define ALIGNOF_LONG 8
#define ALIGNOF_SIZE_T 8
#if defined(__APPLE__) && defined(__aarch64__)
#define ALIGNOF_MAX_ALIGN_T 8
#else
#define ALIGNOF_MAX_ALIGN_T 16
#endif
#define HAVE_CLOCK_GETTIME 1
#define HAVE_GCC_UINT128_T 1
#define HAVE_PTHREAD_H 1
#define HAVE_SSIZE_T 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_UNISTD_H 1
#define HAVE_WCHAR_H 1
#define SIZEOF_LONG 8
#define SIZEOF_OFF_T 8
#define SIZEOF_PID_T 4
#define SIZEOF_PTHREAD_T 8
#define SIZEOF_SIZE_T 8
#define SIZEOF_TIME_T 8
#define SIZEOF_UINTPTR_T 8
#define SIZEOF_VOID_P 8
#define SIZEOF_WCHAR_T 4
#define WITH_MIMALLOC 1
