"""Families and variants -> C text: what clang compiles, and the plain C functions for tests."""

from collections.abc import Iterable

from buildtool.defs import Family, Type, Uop
from buildtool.target import NARROW, Target
from buildtool.variants import Variant

ENDS = ("_JIT_CONTINUE", "_JIT_EXIT", "_JIT_ERROR", "_JIT_COLD")


def family_source(family: Family, variants: Iterable[Variant], target: Target) -> str:
    """The C file whose functions, one per variant, become stencils."""
    chosen = list(variants)
    names = frozenset(variant.uop.name for variant in chosen)
    lines = [family.render(_always_inline, names), '#line 1 "generated"', *_prologue(target)]
    for variant in chosen:
        lines += _function(variant, target)
        if variant.uop.cold:
            lines += _cold_function(variant, target)
    return "\n".join(lines) + "\n"


def _always_inline(uop: Uop, cold: bool) -> str:
    return "static inline __attribute__((always_inline)) " + body_head(uop, cold)


def body_head(uop: Uop, cold: bool) -> str:
    """The head of the function that a body becomes."""
    parameters = ["Activation *act"]
    parameters += [f"{item.type.value} {item.name}" for item in uop.inputs]
    if uop.output is not Type.VOID:
        parameters.append(f"{uop.output.value} *result_")
    parameters += [f"{'uint64_t' if o.wide else 'int64_t'} {o.name}" for o in uop.operands]
    return f"Outcome {body_name(uop, cold)}({', '.join(parameters)})"


def body_name(uop: Uop, cold: bool) -> str:
    """The name of that function."""
    return f"{'cold' if cold else 'body'}_{uop.name}"


def _prologue(target: Target) -> list[str]:
    """What the functions share.

    `carry` takes a result from the hot part to the COLD block where its register still holds
    an input. `none` and `fnone` are never set: what is passed for a register whose content
    no longer matters.
    """
    types = {"a": "Activation *", "f": "double "}
    parameters = ", ".join(f"{types.get(name[0], 'int64_t ')}{name}" for name in target.parameters)
    hidden = '__attribute__((visibility("hidden")))'
    lines = [
        f"#define REGISTERS {parameters}",
        "#define STENCIL __attribute__((preserve_none)) void",
        "#define TAIL __attribute__((musttail)) return",
        "#define UNUSED int64_t none; double fnone; (void)none; (void)fnone",
    ]
    lines += [f"STENCIL {hidden} {end}(REGISTERS);" for end in ENDS]
    lines += [
        f'_Static_assert(sizeof({type_}) == {size}, "not the {type_} of {target.name}");'
        for type_, size in target.sizes.items()
    ]
    # Weak, or clang takes for granted that a constant is not 0.
    lines += [f"extern char {name} {hidden} __attribute__((weak));" for name in NARROW]
    lines.append("#define CONSTANT(name) ((int64_t)(intptr_t)&name)")
    load = target.machine.load_imm64.replace("%s", '" #name "').replace("%%", "%")
    lines.append(f'#define IMM64(name) ({{ uint64_t v_; __asm__("{load}" : "=r"(v_)); v_; }})')
    lines.append("static inline int64_t f64_bits(double d) { int64_t b; __builtin_memcpy(&b, &d, 8); return b; }")
    lines.append("static inline double bits_f64(int64_t b) { double d; __builtin_memcpy(&d, &b, 8); return d; }")
    return lines


def _arguments(variant: Variant, cold: bool) -> str:
    """What a body is called with."""
    uop = variant.uop
    arguments = ["act"]
    for k, (item, choice) in enumerate(zip(uop.inputs, variant.inputs, strict=True)):
        if choice is None:
            arguments.append(f"CONSTANT(_JIT_INPUT{k})")
        elif item.type.is_float:
            arguments.append(f"f{choice}")
        else:
            arguments.append(f"({item.type.value})r{choice}")
    if uop.output is not Type.VOID:
        arguments.append("&out")
    for k, operand in enumerate(uop.operands):
        arguments.append(f"IMM64(_JIT_WIDE{k})" if operand.wide else f"CONSTANT(_JIT_OPERAND{k})")
    return f"{body_name(uop, cold)}({', '.join(arguments)})"


def _output_register(variant: Variant) -> str | None:
    if variant.output is None:
        return None
    return f"{'f' if variant.uop.output.is_float else 'r'}{variant.output}"


def _in_place(variant: Variant) -> bool:
    """Whether the output's register is also an input's."""
    inputs = zip(variant.uop.inputs, variant.inputs, strict=True)
    floats = variant.uop.output.is_float
    return any(n == variant.output and i.type.is_float == floats for i, n in inputs if n is not None)


def _pass(variant: Variant, target: Target, output: str, lost: bool, carry: str = "none") -> str:
    """Arguments of a tail call. lost: a C call may have destroyed what C calls destroy."""
    arguments = []
    for register in target.parameters:
        if register == _output_register(variant):
            arguments.append(output)
        elif register == "carry":
            arguments.append(carry)
        elif register[0] == "u":
            arguments.append("none")
        elif register[0] == "f":
            arguments.append("fnone" if lost else register)
        elif register[0] == "r" and lost and int(register[1:]) >= target.call_saved:
            arguments.append("none")
        else:
            arguments.append(register)
    return ", ".join(arguments)


def _function(variant: Variant, target: Target) -> list[str]:
    """The function for the hot part.

    On the way to an exit the output's register may hold anything: the exit's snapshot does not
    know the output. On the way to the COLD block all inputs are in place, and the result so far
    is in its register or, where that is an input's too, in `carry`.
    """
    uop = variant.uop
    floats = uop.output.is_float
    none = "fnone" if floats else "none"
    out = "out" if floats else "(int64_t)out"
    lines = [f"STENCIL {variant.name}(REGISTERS) {{ UNUSED;"]
    if uop.output is not Type.VOID:
        lines.append(f"    {uop.output.value} out;")
    lines.append(f"    Outcome outcome = {_arguments(variant, cold=False)};")
    if uop.cold:
        arguments = _pass(variant, target, out, False)
        if variant.output is not None and _in_place(variant):
            arguments = _pass(variant, target, _output_register(variant) or "", False,
                              "f64_bits(out)" if floats else out)
        lines.append(f"    if (UNLIKELY(outcome == UOP_COLD)) TAIL _JIT_COLD({arguments});")
    lines += _ends(_pass(variant, target, none, uop.calls), _pass(variant, target, out, uop.calls))
    return lines


def _cold_function(variant: Variant, target: Target) -> list[str]:
    """The function for the COLD block."""
    uop = variant.uop
    floats = uop.output.is_float
    lines = [f"STENCIL {variant.name}__cold(REGISTERS) {{ UNUSED;"]
    if uop.output is not Type.VOID:
        start = _output_register(variant) or ""
        if _in_place(variant):
            start = "bits_f64(carry)" if floats else "carry"
        lines.append(f"    {uop.output.value} out = ({uop.output.value}){start};")
    lines.append(f"    Outcome outcome = {_arguments(variant, cold=True)};")
    none = "fnone" if floats else "none"
    lines += _ends(
        _pass(variant, target, none, False),
        _pass(variant, target, "out" if floats else "(int64_t)out", False),
    )
    return lines


def _ends(leaving: str, going_on: str) -> list[str]:
    return [
        f"    if (UNLIKELY(outcome == UOP_EXIT)) TAIL _JIT_EXIT({leaving});",
        f"    if (UNLIKELY(outcome == UOP_ERROR)) TAIL _JIT_ERROR({leaving});",
        f"    TAIL _JIT_CONTINUE({going_on});",
        "}",
    ]


def reference_source(families: list[Family]) -> str:
    """The bodies as plain C, each with a function of one uniform type, and a table of these."""
    lines = [
        "typedef int (*UopFunction)(Activation *, const uint64_t in[4], uint64_t *out,",
        "                           const uint64_t operand[2]);",
        '#pragma GCC diagnostic ignored "-Wunused-parameter"',
        '#pragma GCC diagnostic ignored "-Wunused-function"',
        '#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"',
        "static inline double ref_double(uint64_t b) { double d; memcpy(&d, &b, 8); return d; }",
        "static inline uint64_t ref_bits(double d) { uint64_t b; memcpy(&b, &d, 8); return b; }",
    ]
    for family in families:
        text = family.render(lambda uop, cold: "static " + body_head(uop, cold))
        lines.append(_relocate_includes(text))
    lines.append('#line 1 "uop_functions"')
    uops = [uop for family in families for uop in family.uops]
    for uop in uops:
        lines += _reference(uop)
    lines.append("static const struct { const char *name; UopFunction function; } uop_functions[] = {")
    lines += [f'    {{"{uop.name}", ref_{uop.name}}},' for uop in uops]
    return "\n".join(["#include <stdint.h>", "#include <string.h>", *_with_header(lines)]) + "\n"


def _with_header(lines: list[str]) -> list[str]:
    return ['#include "../../src/stencils/stencil.h"', *lines, "    {0, 0}", "};"]


def _relocate_includes(text: str) -> str:
    """Includes relative to src/stencils, made relative to generated/."""
    return text.replace('#include "', '#include "../../src/stencils/')


def _reference(uop: Uop) -> list[str]:
    arguments = ["act"]
    for k, item in enumerate(uop.inputs):
        arguments.append(f"ref_double(in[{k}])" if item.type.is_float else f"({item.type.value})in[{k}]")
    if uop.output is not Type.VOID:
        arguments.append("&out")
    for k, operand in enumerate(uop.operands):
        arguments.append(f"operand[{k}]" if operand.wide else f"(int64_t)operand[{k}]")
    lines = [
        f"static int ref_{uop.name}(Activation *act, const uint64_t in[4], uint64_t *result,",
        "    const uint64_t operand[2])",
        "{",
    ]
    if uop.output is not Type.VOID:
        lines.append(f"    {uop.output.value} out = 0;")
    lines.append(f"    Outcome outcome = {body_name(uop, False)}({', '.join(arguments)});")
    if uop.cold:
        lines.append("    if (outcome == UOP_COLD)")
        lines.append(f"        outcome = {body_name(uop, True)}({', '.join(arguments)});")
    if uop.output is not Type.VOID:
        lines.append(f"    *result = {'ref_bits(out)' if uop.output.is_float else '(uint64_t)out'};")
    return [*lines, "    return outcome;", "}"]
