"""Fits the polynomials of backends/cpu/kernels/vector_math.h and prints their coefficients, lowest power first.

Each is the weighted minimax polynomial of its function on its interval (Remez exchange in 60 digits), rounded to
float32. Needs the PyPI package mpmath:  python3 tools/fit_vector_math.py
"""

import struct

from mpmath import cos, erf, erfc, exp, log, log1p, lu_solve, matrix, mp, mpf, pi, sqrt, tanh

mp.dps = 60


def minimax(function, low, high, degree, weight=lambda x: mpf(1), rounds=12, grid=4000):
    """The polynomial p of `degree` that makes the largest |weight · (p − function)| on [low, high] smallest."""
    low, high = mpf(low), mpf(high)
    count = degree + 2
    nodes = [(low + high) / 2 - (high - low) / 2 * cos(pi * (i + mpf(1) / 2) / count) for i in range(count)]
    points = [low + (high - low) * i / grid for i in range(grid + 1)]
    for _ in range(rounds):
        system = matrix(count, count)
        values = matrix(count, 1)
        for row, x in enumerate(nodes):
            for power in range(degree + 1):
                system[row, power] = x**power
            system[row, degree + 1] = (-1) ** row / weight(x)
            values[row] = function(x)
        solution = lu_solve(system, values)
        coefficients = [solution[i] for i in range(degree + 1)]
        errors = [weight(x) * (sum(c * x**i for i, c in enumerate(coefficients)) - function(x)) for x in points]
        # The new nodes: the largest error of each stretch of equal sign.
        extremes, best = [], 0
        for i in range(1, grid + 1):
            if (errors[i] > 0) != (errors[best] > 0):
                extremes.append(best)
                best = i
            elif abs(errors[i]) > abs(errors[best]):
                best = i
        extremes.append(best)
        if len(extremes) < count:
            break
        while len(extremes) > count:
            extremes.pop(0 if abs(errors[extremes[0]]) < abs(errors[extremes[-1]]) else -1)
        nodes = [points[i] for i in extremes]
    return coefficients, max(abs(e) for e in errors)


def show(name, fit):
    coefficients, error = fit
    rounded = [struct.unpack("f", struct.pack("f", float(c)))[0] for c in coefficients]
    print(f"{name}: error {float(error):.2g}")
    print("  {" + ", ".join(f"{c:.9g}f" for c in rounded) + "}")


half_ln2 = log(mpf(2)) / 2
tiny = mpf(10) ** -25


def of_square(function):
    """function(x) / x as a function of z = x²."""
    return lambda z: function(sqrt(z + tiny)) / sqrt(z + tiny)


show("exp2", minimax(lambda x: mpf(2) ** x, -0.5, 0.5, 6, lambda x: mpf(2) ** -x, grid=1000))
show("exp", minimax(exp, -half_ln2 * 1.01, half_ln2 * 1.01, 6, lambda x: exp(-x), grid=1000))
show("log: (log1p(u) - u + u²/2) / u³",
     minimax(lambda u: (log1p(u) - u + u * u / 2) / u**3 if abs(u) > 1e-12 else mpf(1) / 3,
             sqrt(mpf(2)) / 2 - 1, sqrt(mpf(2)) - 1, 8, lambda u: u * u, grid=1000))
show("tanh: tanh(x)/x - 1 over z, z = x² up to 0.625²",
     minimax(lambda z: (of_square(tanh)(z) - 1) / (z + tiny), mpf(10)**-6, mpf(0.625) ** 2, 4, lambda z: z, grid=1000))
show("erf: erf(x)/x, z = x² up to 0.95²", minimax(of_square(erf), 0, mpf(0.95) ** 2, 6, grid=1000))
show("erfc: log(erfc(x)) over x from 0.9 to 4",
     minimax(lambda x: log(erfc(x)), 0.9, 4, 9, grid=1000))
