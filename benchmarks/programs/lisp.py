"""a Lisp with classes and exceptions

Closures over chained environments, a class for each kind of expression, non-local exits by exceptions:
an interpreter as people write one, running a small prelude of recursive functions.
"""

from __future__ import annotations

SIZE, TINY = 80, 1

PROGRAM = """
(define fib (lambda (n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2))))))
(define range (lambda (a b) (if (< a b) (cons a (range (+ a 1) b)) (quote ()))))
(define map (lambda (f xs) (if (null? xs) xs (cons (f (car xs)) (map f (cdr xs))))))
(define filter (lambda (f xs)
  (if (null? xs) xs (if (f (car xs)) (cons (car xs) (filter f (cdr xs))) (filter f (cdr xs))))))
(define append (lambda (xs ys) (if (null? xs) ys (cons (car xs) (append (cdr xs) ys)))))
(define sort (lambda (xs)
  (if (null? xs) xs
    (let ((pivot (car xs)) (rest (cdr xs)))
      (append (sort (filter (lambda (x) (< x pivot)) rest))
              (cons pivot (sort (filter (lambda (x) (not (< x pivot))) rest))))))))
(define find (lambda (f xs) (catch found (begin (map (lambda (x) (if (f x) (throw found x) x)) xs) -1))))
(define checked (lambda (n) (catch error (if (< n 0) (throw error (- 0 n)) (car n)))))
(define counter (lambda () (let ((n 0)) (lambda () (begin (set! n (+ n 1)) n)))))
(define tick (counter))
(define loop (lambda (n total) (if (= n 0) total (loop (- n 1) (+ total (tick))))))
"""
WORK = """
(fib 15)
(sort (map (lambda (x) (% (* x 7919) 101)) (range 0 60)))
(find (lambda (x) (< 50 (* x x))) (range 0 40))
(map checked (range -20 0))
(loop 120 0)
"""


class LispError(Exception):
    """What a program did wrong."""


class Throw(Exception):
    def __init__(self, tag: str, value: object) -> None:
        self.tag, self.value = tag, value


class Pair:
    __slots__ = ("first", "rest")

    def __init__(self, first, rest):
        self.first, self.rest = first, rest


class Environment:
    def __init__(self, names=(), values=(), outer=None):
        self.variables = dict(zip(names, values))
        self.outer = outer

    def holder(self, name):
        scope = self
        while scope is not None:
            if name in scope.variables:
                return scope
            scope = scope.outer
        raise LispError(f"unbound variable {name}")


class Constant:
    def __init__(self, value):
        self.value = value

    def evaluate(self, env):
        return self.value


class Variable(Constant):
    def evaluate(self, env):
        return env.holder(self.value).variables[self.value]


class Node:
    def __init__(self, *parts):
        self.parts = parts


class If(Node):
    def evaluate(self, env):
        condition, yes, no = self.parts
        return (yes if condition.evaluate(env) is not False else no).evaluate(env)


class Assign(Node):
    def evaluate(self, env):
        name, value = self.parts
        env.holder(name).variables[name] = value.evaluate(env)


class Define(Node):
    def evaluate(self, env):
        name, value = self.parts
        env.variables[name] = value.evaluate(env)


class Begin(Node):
    def evaluate(self, env):
        result = None
        for part in self.parts:
            result = part.evaluate(env)
        return result


class Let(Node):
    def evaluate(self, env):
        names, values, body = self.parts
        return body.evaluate(Environment(names, [value.evaluate(env) for value in values], env))


class Lambda(Node):
    def evaluate(self, env):
        return Closure(*self.parts, env)


class Catch(Node):
    def evaluate(self, env):
        tag, body = self.parts
        try:
            return body.evaluate(env)
        except Throw as thrown:
            if thrown.tag != tag:
                raise
            return thrown.value
        except LispError as error:
            if tag != "error":
                raise
            return len(str(error))


class Raise(Node):
    def evaluate(self, env):
        tag, value = self.parts
        raise Throw(tag, value.evaluate(env))


class Call(Node):
    def evaluate(self, env):
        function, *arguments = [part.evaluate(env) for part in self.parts]
        return function(*arguments)


class Closure:
    def __init__(self, names, body, env):
        self.names, self.body, self.env = names, body, env

    def __call__(self, *values):
        if len(values) != len(self.names):
            raise LispError("wrong number of arguments")
        return self.body.evaluate(Environment(self.names, values, self.env))


def car(pair):
    if not isinstance(pair, Pair):
        raise LispError(f"not a pair: {pair}")
    return pair.first


BUILTINS = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "%": lambda a, b: a % b,
    "<": lambda a, b: a < b, "=": lambda a, b: a == b, "not": lambda a: a is False, "null?": lambda a: a is None,
    "cons": Pair, "car": car, "cdr": lambda pair: pair.rest,
}
FORMS = {"if": If, "begin": Begin}


def read(tokens):
    token = tokens.pop()
    if token != "(":
        return token
    parts = []
    while tokens[-1] != ")":
        parts.append(read(tokens))
    tokens.pop()
    return parts


def atom(text):
    try:
        return Constant(int(text))
    except ValueError:
        return Variable(text)


def compiled(form):
    if isinstance(form, str):
        return atom(form)
    head, *rest = form
    match head:
        case "quote":
            return Constant(None)
        case "define" | "set!":
            return (Define if head == "define" else Assign)(rest[0], compiled(rest[1]))
        case "lambda":
            return Lambda(rest[0], compiled(rest[1]))
        case "let":
            names, values = zip(*rest[0])
            return Let(names, [compiled(value) for value in values], compiled(rest[1]))
        case "catch" | "throw":
            return (Catch if head == "catch" else Raise)(rest[0], compiled(rest[1]))
        case "if" | "begin":
            return FORMS[head](*map(compiled, rest))
    return Call(*map(compiled, form))


def parsed(text):
    tokens = text.replace("(", " ( ").replace(")", " ) ").split()[::-1]
    forms = []
    while tokens:
        forms.append(compiled(read(tokens)))
    return forms


def shown(value):
    items = []
    while isinstance(value, Pair):
        items.append(value.first)
        value = value.rest
    return str(items or value)


def main(folder: str, size: int) -> str:
    world = Environment(BUILTINS, BUILTINS.values())
    for form in parsed(PROGRAM):
        form.evaluate(world)
    work = parsed(WORK)
    lines = []
    for _ in range(size):
        lines += [shown(form.evaluate(world)) for form in work]
    return "\n".join(lines)
