"""Python methods called in a loop: two receivers, a default argument, one level deeper."""

N = 300_000


class Adder:
    def __init__(self, step):
        self.step = step
        self.total = 0

    def scaled(self, x):
        return x * self.step

    def add(self, x, bias=1):
        self.total += self.scaled(x) + bias
        return self.total


class Subtracter(Adder):
    def scaled(self, x):
        return -x


def run(n):
    up = Adder(3)
    down = Subtracter(2)
    for i in range(n):
        up.add(i)
        if i % 3 == 0:
            down.add(i, bias=2)
    return up.total, down.total
