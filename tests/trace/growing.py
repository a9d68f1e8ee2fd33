"""Programs that build something step by step, run by test_growth.py: prints how their time grows, as JSON.

Arguments: the smallest size, and the names of the functions (none: all).
"""

import json
import sys
from array import array
from collections import defaultdict, deque
from time import thread_time


def str_local(n):
    s = ""
    for i in range(n):
        s += "abcdef"
    return len(s)


def str_add(n):
    s = ""
    for i in range(n):
        s = s + "abcdef"
    return len(s)


def str_while(n):
    s = ""
    i = 0
    while i < n:
        s += "abcdef"
        i += 1
    return len(s)


def str_nested(n):
    s = ""
    for i in range(n // 8):
        s += "<tr>"
        for j in range(8):
            s += "<td>" + str(j) + "</td>"
    return len(s)


def str_branches(n):
    s = ""
    for i in range(n):
        if i % 3 == 0:
            s += "abcdef"
        elif i % 3 == 1:
            s += "gh"
        else:
            s += str(i)
    return len(s)


def str_try(n):
    s = ""
    for i in range(n):
        try:
            s += "abcdef"
            if i % 8 == 0:
                raise ValueError
        except ValueError:
            s += "!"
    return len(s)


def str_gen(n):
    def g():
        s = ""
        for i in range(n):
            s += "abcdef"
            if i % 64 == 0:
                yield len(s)
    return sum(g())


def str_gen_for(n):
    def g():
        s = ""
        for i in range(n):
            s += "abcdef"
            yield i
        yield len(s)
    t = 0
    for x in g():
        t += x
    return t


def str_str(n):
    s = ""
    for i in range(n):
        s = str(s) + "abcdef"
    return len(s)


def str_fstring(n):
    s = ""
    for i in range(n):
        s += f"{i}:{i}"
    return len(s)


def str_wide(n):
    s = "\u0394"
    for i in range(n):
        s += "ab\u0394"
    return len(s)


def str_many(n):
    a = b = c = ""
    for i in range(n):
        a += "x" * 3
        b += "yy"
        c += a[-1]
    return len(a + b + c)


def str_enumerate(n):
    s = ""
    for i, ch in enumerate("abcd" * (n // 4)):
        s += ch
    return len(s)


def str_attr(n):
    class C:
        pass
    o = C()
    o.s = ""
    for i in range(n):
        o.s += "abcdef"
    return len(o.s)


def str_item(n):
    l = [""]
    for i in range(n):
        l[0] += "abcdef"
    return len(l[0])


def str_inlined(n):
    def piece(k):
        r = ""
        for i in range(k):
            r += "abcdef"
        return r
    return sum(len(piece(64)) for i in range(n // 64))


def str_func(n):
    def rep(k):
        r = ""
        r += "abc"
        r += str(k)
        r += "def"
        return r
    t = 0
    for i in range(n // 4):
        t += len(rep(i))
    return t


async def _co(n):
    s = ""
    for i in range(n):
        s += "abcdef"
    return len(s)


def str_coroutine(n):
    try:
        _co(n).send(None)
    except StopIteration as e:
        return e.value


def list_iadd(n):
    l = []
    for i in range(n):
        l += [i]
    return len(l)


def list_iadd_tuple(n):
    l = []
    for i in range(n):
        l += (i, i)
    return len(l)


def list_iadd_gen(n):
    l = []
    for i in range(n // 4):
        l += (x for x in (1, 2, 3, 4))
    return len(l)


def list_iadd_attr(n):
    class C:
        pass
    o = C()
    o.l = []
    for i in range(n):
        o.l += [i]
    return len(o.l)


def list_iadd_item(n):
    d = {"l": []}
    for i in range(n):
        d["l"] += [i]
    return len(d["l"])


def list_append(n):
    l = []
    for i in range(n):
        l.append(i)
    return len(l)


def list_append_bound(n):
    l = []
    a = l.append
    for i in range(n):
        a(i)
    return len(l)


def list_extend(n):
    l = []
    for i in range(n // 2):
        l.extend((i, i))
    return len(l)


def list_pop(n):
    l = list(range(n))
    while l:
        l.pop()
    return len(l)


def list_slice_end(n):
    l = []
    for i in range(n):
        l[len(l):] = [i]
    return len(l)


def list_imul(n):
    t = 0
    for i in range(n // 16):
        l = [1]
        for k in range(4):
            l *= 2
        t += len(l)
    return t


def list_comp(n):
    return len([i * 2 for i in range(n)])


def list_gen(n):
    return len(list(i * 2 for i in range(n)))


def tuple_gen(n):
    return len(tuple(i * 2 for i in range(n)))


def set_gen(n):
    return len(set(i * 2 for i in range(n)))


def dict_comp(n):
    return len({i: i for i in range(n)})


def sorted_gen(n):
    return len(sorted(i % 100 for i in range(n)))


def join_gen(n):
    return len("".join(str(i) for i in range(n)))


def join_list(n):
    return len("".join([str(i) for i in range(n)]))


def bytes_join(n):
    return len(b"".join(b"ab" for i in range(n)))


def bytearray_iadd(n):
    b = bytearray()
    for i in range(n):
        b += b"abc"
    return len(b)


def bytearray_append(n):
    b = bytearray()
    for i in range(n):
        b.append(i & 255)
    return len(b)


def bytearray_del(n):
    b = bytearray(n)
    while b:
        del b[:1]
    return 0


def set_ior(n):
    s = set()
    for i in range(n):
        s |= {i}
    return len(s)


def set_add(n):
    s = set()
    for i in range(n):
        s.add(i)
    return len(s)


def set_pop(n):
    s = set(range(n))
    t = 0
    while s:
        t += s.pop()
    return t


def dict_ior(n):
    d = {}
    for i in range(n):
        d |= {i: i}
    return len(d)


def dict_set(n):
    d = {}
    for i in range(n):
        d[i] = i
    return len(d)


def dict_popitem(n):
    d = {i: i for i in range(n)}
    t = 0
    while d:
        t += d.popitem()[0]
    return t


def dict_pop(n):
    d = {i: i for i in range(n)}
    t = 0
    for i in range(n):
        t += d.pop(i)
    return t


def dict_update(n):
    d = {}
    for i in range(n):
        d.update({i: i})
    return len(d)


def dict_setdefault(n):
    d = {}
    for i in range(n):
        d.setdefault(i, []).append(i)
    return len(d)


def defaultdict_append(n):
    d = defaultdict(list)
    for i in range(n):
        d[i & 7].append(i)
    return len(d)


def deque_iadd(n):
    q = deque()
    for i in range(n):
        q += [i]
    return len(q)


def deque_queue(n):
    q = deque(range(n))
    t = 0
    while q:
        t += q.popleft()
    return t


def array_iadd(n):
    a = array("i")
    for i in range(n):
        a += array("i", [i])
    return len(a)


def array_append(n):
    a = array("i")
    for i in range(n):
        a.append(i)
    return len(a)


def dict_items(n):
    d = dict.fromkeys(range(n), 1)
    t = 0
    for k, v in d.items():
        t += v
    return t


def list_add(n):        # not amortised anywhere: sizes stay small
    t = 0
    for k in range(n // 64):
        l = []
        for i in range(64):
            l = l + [i]
        t += len(l)
    return t


def tuple_add(n):
    t = 0
    for k in range(n // 64):
        l = ()
        for i in range(64):
            l += (i,)
        t += len(l)
    return t


def int_big(n):
    x = 1
    for i in range(n // 16):
        x = x * 3
    return x.bit_length()


def bytes_add(n):
    b = b""
    for i in range(n // 16):
        b += b"ab"
    return len(b)


def measure(function, size, rounds=5):
    """Least CPU time for the size and for eight times it, everything being hot."""
    for _ in range(3):
        function(size)
    least = {}
    for factor in [1, 8] * rounds:
        start = thread_time()
        function(size * factor)
        least[factor] = min(least.get(factor, 1e9), thread_time() - start)
    return least[8] / least[1]


CASES = {name: function for name, function in globals().items()
         if callable(function) and getattr(function, "__module__", "") == "__main__"
         and name != "measure" and not name.startswith("_")}

if __name__ == "__main__":
    chosen = sys.argv[2:] or list(CASES)
    print(json.dumps({name: measure(CASES[name], int(sys.argv[1])) for name in chosen}))
