// ir_parse.h - reads a trace's text (ir_text.c) back.
#ifndef JITPATCH_IR_PARSE_H
#define JITPATCH_IR_PARSE_H

#include "../../src/runtime/ir/build.h"

// Objects and code objects are what `resolver` makes of their text: its methods object(text), code(name, n) and
// keeps what it has made. NULL, or what is wrong with the text (static), with its line; an exception of the
// resolver's stays set. Nothing is checked but that the text can be read: verify_pass() does the rest.
const char *ir_parse(const char *text, PyObject *resolver, Trace *t);

#endif
