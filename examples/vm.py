"""A small stack machine with an assembler, running a prime sieve and a recursive Fibonacci.

    python examples/vm.py [SCALE]

An interpreter inside the interpreter: one hot loop, a chain of branches, a stack and a memory that are
lists. The time goes to stderr.
"""

import sys
import time

(PUSH, LOAD, STORE, PEEK, POKE, ADD, SUB, MUL, LESS, JUMP, JUMP_UNLESS, CALL, RETURN, DROP, PRINT,
 HALT) = range(16)
NAMES = {"push": PUSH, "load": LOAD, "store": STORE, "peek": PEEK, "poke": POKE, "add": ADD, "sub": SUB,
         "mul": MUL, "less": LESS, "jump": JUMP, "unless": JUMP_UNLESS, "call": CALL, "return": RETURN,
         "drop": DROP, "print": PRINT, "halt": HALT}
WITH_OPERAND = {PUSH, LOAD, STORE, JUMP, JUMP_UNLESS, CALL}

SIEVE = """
        push 2          store i
outer:  load i  load i  mul  load limit  less  unless count
        load i  peek  push 1  less  unless next
        load i  load i  mul  store j
inner:  load j  load limit  less  unless next
        load j  push 1  poke
        load j  load i  add  store j
        jump inner
next:   load i  push 1  add  store i
        jump outer
count:  push 2  store i   push 0  store found
scan:   load i  load limit  less  unless done
        load i  peek  push 1  less  unless skip
        load found  push 1  add  store found
skip:   load i  push 1  add  store i
        jump scan
done:   load found  print
        halt
"""

FIBONACCI = """
        load limit  call fib  print  halt
fib:    store n
        load n  push 2  less  unless more
        load n  return
more:   load n
        load n  push 1  sub  call fib
        store a  store n  load a
        load n  push 2  sub  call fib
        add  return
"""


class Machine:
    def __init__(self, code, limit, slots):
        self.code = code
        self.variables = [0] * slots
        self.variables[0] = limit
        self.memory = [0] * (limit + 1)
        self.output = []
        self.executed = 0

    def run(self):
        code, variables, memory = self.code, self.variables, self.memory
        stack, calls = [], []
        pc = 0
        executed = 0
        while True:
            op, operand = code[pc]
            pc += 1
            executed += 1
            if op == LOAD:
                stack.append(variables[operand])
            elif op == PUSH:
                stack.append(operand)
            elif op == STORE:
                variables[operand] = stack.pop()
            elif op == ADD:
                right = stack.pop()
                stack[-1] += right
            elif op == SUB:
                right = stack.pop()
                stack[-1] -= right
            elif op == MUL:
                right = stack.pop()
                stack[-1] *= right
            elif op == LESS:
                right = stack.pop()
                stack[-1] = stack[-1] < right
            elif op == JUMP:
                pc = operand
            elif op == JUMP_UNLESS:
                if not stack.pop():
                    pc = operand
            elif op == PEEK:
                stack[-1] = memory[stack[-1]]
            elif op == POKE:
                value = stack.pop()
                memory[stack.pop()] = value
            elif op == CALL:
                calls.append(pc)
                pc = operand
            elif op == RETURN:
                pc = calls.pop()
            elif op == PRINT:
                self.output.append(stack.pop())
            elif op == DROP:
                stack.pop()
            elif op == HALT:
                self.executed = executed
                return
            else:
                raise ValueError(f"bad opcode {op}")


def assemble(text):
    """Text to a list of (opcode, operand); variables are numbered as they appear, `limit` is 0."""
    labels, variables, rough = {}, {"limit": 0}, []
    words = iter(text.split())
    for word in words:
        if word.endswith(":"):
            labels[word[:-1]] = len(rough)
            continue
        op = NAMES[word]
        rough.append((op, next(words) if op in WITH_OPERAND else None))
    code = []
    for op, operand in rough:
        if op in (LOAD, STORE):
            operand = variables.setdefault(operand, len(variables))
        elif op in (JUMP, JUMP_UNLESS, CALL):
            operand = labels[operand]
        elif op == PUSH:
            operand = int(operand)
        code.append((op, operand))
    return code, len(variables)


def main():
    scale = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    for name, text, limit in (("sieve", SIEVE, 10_000 * scale), ("fibonacci", FIBONACCI, 14 + scale)):
        code, slots = assemble(text)
        machine = Machine(code, limit, slots)
        machine.run()
        print(f"{name} of {limit}: {machine.output}, {machine.executed} instructions")


if __name__ == "__main__":
    start = time.perf_counter()
    main()
    print(f"{time.perf_counter() - start:.2f} s", file=sys.stderr)
