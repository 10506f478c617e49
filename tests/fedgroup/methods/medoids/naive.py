"""The plain greedy over the whole matrix: what the fast selections must equal."""

from fractions import Fraction

import numpy as np


def greedy(s, budget):
    """Order and clusters for a matrix of similarities whose sums are exact; ties to the lowest index."""
    n = len(s)
    best, order = [0] * n, []
    for _ in range(budget):
        gains = [
            -1 if j in order else sum(max(s[i][j] - best[i], 0) for i in range(n)) for j in range(n)
        ]
        order.append(gains.index(max(gains)))
        best = [max(best[i], s[i][order[-1]]) for i in range(n)]
    cluster = []
    for i in range(n):
        row = [s[i][j] for j in order]
        cluster.append(row.index(max(row)))
    return order, cluster


def greedy_at_once(s, budget):
    """The same for larger matrices of whole float64 numbers."""
    s = np.array(s, np.float64)
    best, order = np.zeros(len(s)), []
    for _ in range(budget):
        gains = np.maximum(s - best, 0).sum(1)
        gains[order] = -1
        order.append(int(gains.argmax()))
        best = np.maximum(best, s[order[-1]])
    return order, s[:, order].argmax(1).tolist()


def exact_line(values):
    """max - distance as fractions: no rounding anywhere."""
    v = [Fraction(float(x)) for x in values]
    far = max(v) - min(v)
    return [[far - abs(a - b) for b in v] for a in v]


def rounded(distance, similarity, gamma, bits, far):
    """The documented rounding: similarities as whole numbers of 2**-bits; far bounds max_minus_distance."""
    if similarity == "max_minus_distance":
        step = 2.0 ** (bits - int(np.frexp(far)[1]))
        s = 2.0**bits - np.rint(distance * step)
    elif similarity == "inverse":
        s = np.rint(2.0**bits / (1 + distance))
    else:
        s = np.rint(2.0**bits * np.exp(-gamma * distance))
    return [[int(x) for x in row] for row in s]


def similarity_bits(n):
    return 52 - int(np.ceil(np.log2(n)))


def pairs(q):
    """Softmax gradients (n, 2) of two classes from q = 1 - confidence."""
    q = np.asarray(q, np.float32)
    return np.stack([-q, q], axis=1)
