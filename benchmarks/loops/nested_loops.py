"""Three nested loops over range with short inner ones."""

N = 120


def run(n):
    hits = 0
    for i in range(n):
        for j in range(n):
            for k in range(n):
                if (i + j) ^ k == 7:
                    hits += 1
    return hits
