// array.c - array.array, bytes, bytearray and str by index.
//
// `field` is the byte offset of the pointer to an array's items; `data` that of the bytes that
// stand in the object itself.
#include "stencil.h"
#include "../runtime/base/helpers.h"

// len of an array.array or bytearray.
UOP(ARRAY_LEN, (OBJ array), I64, READS(LENGTH), ())
{
    result = Py_SIZE(array);
}

// Exits unless the array.array has items of the kind that `descr` describes.
UOP(GUARD_ARRAY, (OBJ array), VOID, GUARD | EXITS, (IMM64 descr))
{
    EXIT_IF((uintptr_t)((help_array *)array)->descr != (uintptr_t)descr);
}

// Item of an array of doubles; index is in range.
UOP(ARRAY_F64, (OBJ array, I64 index), F64, READS(ARRAY), (IMM32 field))
{
    result = (*(double **)((char *)array + field))[index];
}

// Item of an array of 64-bit ints; index is in range.
UOP(ARRAY_I64, (OBJ array, I64 index), I64, READS(ARRAY), (IMM32 field))
{
    result = (*(int64_t **)((char *)array + field))[index];
}

// Item of an array of 32-bit ints; index is in range.
UOP(ARRAY_I32, (OBJ array, I64 index), I64, READS(ARRAY), (IMM32 field))
{
    result = (*(int32_t **)((char *)array + field))[index];
}

// Item of an array of unsigned bytes; index is in range.
UOP(ARRAY_U8, (OBJ array, I64 index), I64, READS(ARRAY), (IMM32 field))
{
    result = (*(uint8_t **)((char *)array + field))[index];
}

// Item of an array.array of ints of any other kind, at most 32 bits; index is in range.
UOP(ARRAY_INT, (OBJ array, I64 index), I64, CALLS | READS(ARRAY), (IMM32 kind))
{
    result = help_array_int(array, index, (int)kind);
}

// array[index] = value, doubles.
UOP(ARRAY_SET_F64, (OBJ array, I64 index, F64 value), VOID, EFFECT | WRITES(ARRAY), (IMM32 field))
{
    (*(double **)((char *)array + field))[index] = value;
}

// array[index] = value, 64 bits.
UOP(ARRAY_SET_64, (OBJ array, I64 index, I64 value), VOID, EFFECT | WRITES(ARRAY), (IMM32 field))
{
    (*(int64_t **)((char *)array + field))[index] = value;
}

// array[index] = value, the low 32 bits.
UOP(ARRAY_SET_32, (OBJ array, I64 index, I64 value), VOID, EFFECT | WRITES(ARRAY), (IMM32 field))
{
    (*(int32_t **)((char *)array + field))[index] = (int32_t)value;
}

// array[index] = value, the low 16 bits.
UOP(ARRAY_SET_16, (OBJ array, I64 index, I64 value), VOID, EFFECT | WRITES(ARRAY), (IMM32 field))
{
    (*(int16_t **)((char *)array + field))[index] = (int16_t)value;
}

// array[index] = value, the low 8 bits.
UOP(ARRAY_SET_8, (OBJ array, I64 index, I64 value), VOID, EFFECT | WRITES(ARRAY), (IMM32 field))
{
    (*(int8_t **)((char *)array + field))[index] = (int8_t)value;
}

// A byte of the object itself: an item of bytes, a character of an ASCII str.
UOP(BYTE_AT, (OBJ o, I64 index), I64, PURE, (IMM32 data))
{
    result = ((uint8_t *)o)[data + index];
}

// Exits unless the str holds ASCII characters only.
UOP(GUARD_ASCII, (OBJ s), VOID, GUARD | EXITS, ())
{
    EXIT_IF(!((PyASCIIObject *)s)->state.ascii || !((PyASCIIObject *)s)->state.compact);
}

// The str of one character below 256, from the table of them.
UOP(CHAR_STR, (I64 c), OBJ, PURE, (IMM64 table))
{
    result = ((OBJ *)(uintptr_t)table)[(uint8_t)c];
}
