// windows.h - Windows: long has 32 bits, wchar_t 16; libpython is a DLL.
#include "common.h"
#define ALIGNOF_LONG 4
#define ALIGNOF_MAX_ALIGN_T 8
#define ALIGNOF_SIZE_T SIZEOF_VOID_P
#define HAVE_DECLSPEC_DLL 1
#define HAVE_WCHAR_H 1
#define MS_COREDLL 1
#define MS_WIN32 1
#define MS_WINDOWS 1
#define NT_THREADS 1
#define Py_ENABLE_SHARED 1
#define SIZEOF_LONG 4
#define SIZEOF_OFF_T 4
#define SIZEOF_SIZE_T SIZEOF_VOID_P
#define SIZEOF_TIME_T 8
#define SIZEOF_UINTPTR_T SIZEOF_VOID_P
#define SIZEOF_WCHAR_T 2
#define WITH_MIMALLOC 1
#ifdef _WIN64
#define MS_WIN64 1
#define SIZEOF_PID_T 4
#define SIZEOF_VOID_P 8
#else
#define SIZEOF_PID_T 4
#define SIZEOF_VOID_P 4
#endif
