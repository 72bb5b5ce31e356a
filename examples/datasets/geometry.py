"""Points and numbers, what a pointer network is to say of them (Vinyals et al. 2015), and how well.

Each task's answer is a sequence of indices of its instance, computed in float64. Points are uniform
in the unit square; numbers are distinct integers of two digits, scaled.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy import spatial

NOTHING = -1  # after the last index of an answer


class Task(NamedTuple):
    """What is asked of an instance.

    Attributes:
        draw: Function of a generator, a count and n that gives instances `(count, n, width)`.
        answer: Function of instances that gives their indices `(count, L)`, then `NOTHING`.
        longest: Function of n that gives L.
        width: How many numbers an element has.
        ends: Whether answers differ in length, so that there must be an end.
        repeats: Whether an answer may have an index twice.
        largest: The largest n that can be drawn, or answered in reasonable memory.
    """

    draw: object
    answer: object
    longest: object
    width: int = 2
    ends: bool = False
    repeats: bool = False
    largest: int = 1000


def draw_points(rng, count, n):
    """Points `(count, n, 2)`, uniform in the unit square."""
    return rng.random((count, n, 2))


def draw_numbers(rng, count, n):
    """Distinct ones of 0, 0.01, .., 0.99, `(count, n, 1)`: uniform reals could tie in float32."""
    order = np.argsort(rng.random((count, 100)), axis=1)
    return order[:, :n, None] / 100


def hull(points):
    """Convex hulls: counter-clockwise, the smallest index first."""
    corners = np.full(points.shape[:2], NOTHING, "int32")
    for row, instance in zip(corners, points, strict=True):
        found = spatial.ConvexHull(instance).vertices  # counter-clockwise
        row[: len(found)] = np.roll(found, -found.argmin())
    return corners


def delaunay(points):
    """Delaunay triangulations: flat increasing triples of indices, in order of their incentres."""
    found = [np.sort(spatial.Delaunay(instance).simplices, axis=1) for instance in points]
    counts = np.array([len(triangles) for triangles in found], "int32")
    rows = np.repeat(np.arange(len(points)), counts)
    found = np.concatenate([np.empty((0, 3), "int32"), *found])
    a, b, c = points[rows[:, None], found].swapaxes(0, 1)
    sides = [np.linalg.norm(p - q, axis=-1)[:, None] for p, q in ((b, c), (c, a), (a, b))]
    incentres = sum(s * p for s, p in zip(sides, (a, b, c), strict=True)) / sum(sides)
    found = found[np.lexsort((incentres[:, 1], incentres[:, 0], rows))]
    triples = np.full((len(points), longest_delaunay(points.shape[1]) // 3, 3), NOTHING, "int32")
    triples[np.arange(triples.shape[1]) < counts[:, None]] = found
    return triples.reshape(len(points), -1)


def tour(points):
    """Shortest closed tours (Held and Karp 1962): from index 0, counter-clockwise.

    `cost[cities, last]` is the shortest way from 0 through all of a set of cities, a number whose
    bits they are, to its last one; every set of a size is extended at once.
    """
    count, n, _ = points.shape
    distances = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1).transpose(1, 2, 0)
    cities = n - 1  # those besides the first: number k is index k + 1
    cost = np.full((2**cities, cities, count), np.inf)
    cost[2 ** np.arange(cities), np.arange(cities)] = distances[0, 1:]
    for size in range(2, cities + 1):
        sets = np.array(list(combinations(range(cities), size)))
        numbers = (2**sets).sum(axis=1)
        for place in range(size):
            last, others = sets[:, place], np.delete(sets, place, axis=1)
            ways = cost[(numbers - 2**last)[:, None], others]
            ways += distances[others + 1, last[:, None] + 1]
            cost[numbers, last] = ways.min(axis=1)
    rows, tours = np.arange(count), np.zeros((count, n), "int32")
    visited = np.full(count, 2**cities - 1)
    for place in range(n - 1, 0, -1):
        ways = cost[visited, :, rows] + distances[1:, tours[:, (place + 1) % n], rows].T
        last = ways.argmin(axis=1)
        tours[:, place], visited = last + 1, visited - 2**last
    clockwise = area(points, tours) < 0
    tours[clockwise, 1:] = tours[clockwise, :0:-1]
    return tours


def order(numbers):
    """Indices of the numbers from the smallest to the largest."""
    return numbers[..., 0].argsort(axis=1).astype("int32")


def longest_delaunay(n):
    """Three times the most triangles: 2n - 2 less the corners of the hull, of which there are 3."""
    return 3 * (2 * n - 5)


TASKS = {
    "hull": Task(draw_points, hull, lambda n: n, ends=True),
    "delaunay": Task(draw_points, delaunay, longest_delaunay, ends=True, repeats=True),
    "tsp": Task(draw_points, tour, lambda n: n, largest=12),
    "sort": Task(draw_numbers, order, lambda n: n, width=1, largest=100),
}


def cross(a, b):
    """The third coordinate of the cross product of vectors in the plane."""
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def turn(a, b, c):
    """Positive where the way from a over b to c turns left."""
    return cross(b - a, c - a)


def from_smallest(polygons):
    """The same polygons, each turned to begin with its smallest index."""
    real = polygons >= 0
    lengths = np.maximum(real.sum(axis=1, keepdims=True), 1)
    begin = np.where(real, polygons, polygons.shape[1]).argmin(axis=1)[:, None]
    turned = (begin + np.arange(polygons.shape[1])) % lengths
    return np.where(real, np.take_along_axis(polygons, turned, axis=1), NOTHING)


def corners_of(points, polygons):
    """The points of closed polygons `(count, L + 1, 2)`; the first one again after the last."""
    indices = np.where(polygons >= 0, polygons, polygons[:, :1])
    indices = np.concatenate([indices, indices[:, :1]], axis=1)
    return np.take_along_axis(points, np.maximum(indices, 0)[..., None], axis=1)


def area(points, polygons):
    """Areas of polygons, positive where they are counter-clockwise."""
    corners = corners_of(points, polygons)
    return cross(corners[:, :-1], corners[:, 1:]).sum(axis=1) / 2


def tour_length(points, tours):
    """Lengths of closed tours."""
    return np.linalg.norm(np.diff(corners_of(points, tours), axis=1), axis=-1).sum(axis=1)


def is_simple(points, polygons):
    """Whether polygons have three corners at least, none twice, and no two edges that cross."""
    corners = corners_of(points, polygons)
    a, b = corners[:, :-1, None], corners[:, 1:, None]
    c, d = corners[:, None, :-1], corners[:, None, 1:]
    crossing = (turn(a, b, c) * turn(a, b, d) < 0) & (turn(c, d, a) * turn(c, d, b) < 0)
    real = polygons >= 0
    same = (polygons[:, :, None] == polygons[:, None]) & real[:, None] & real[:, :, None]
    distinct = same.sum(axis=(1, 2)) == real.sum(axis=1)
    return (real.sum(axis=1) >= 3) & distinct & ~crossing.any(axis=(1, 2))


def figures(task, drawn, true, found):
    """The paper's figures of a task's answers `found`, where `true` would be right.

    A hull is right from any of its corners on, counter-clockwise. Its area counts where it is a
    simple polygon, and is "FAIL" where more than a hundredth of them are not.
    """
    if task == "hull":
        simple = is_simple(drawn, found)
        covered = np.abs(area(drawn, found)[simple]) / area(drawn, true)[simple]
        return {
            "accuracy": float((from_smallest(found) == true).all(axis=1).mean()),
            "simple polygons": float(simple.mean()),
            "area coverage": float(covered.mean()) if simple.mean() >= 0.99 else "FAIL",
        }
    if task == "delaunay":
        pairs = [(triangles(one), triangles(other)) for one, other in zip(found, true, strict=True)]
        return {
            "accuracy": float(np.mean([one == other for one, other in pairs])),
            "triangle coverage": float(np.mean([len(a & b) / len(b) for a, b in pairs])),
        }
    if task == "tsp":
        length, optimum = (tour_length(drawn, tours).mean() for tours in (found, true))
        return {
            "tour length": float(length),
            "optimum": float(optimum),
            "excess length": float(length / optimum - 1),
        }
    return {"accuracy": float((found == true).all(axis=1).mean())}


def triangles(indices):
    """The set of triangles of a flat sequence; what is left over at its end counts as one."""
    indices = [int(index) for index in indices if index >= 0]
    return {tuple(sorted(indices[at : at + 3])) for at in range(0, len(indices), 3)}


def read_hulls(path, largest):
    """The authors' instances, of `largest` points at most, and answers, indices from 0."""
    with np.load(path) as file:
        if not {"points", "hull"} <= set(file.files):
            raise ValueError(
                f"Expected a file of arrays `points` and `hull`. Received: {path} of {file.files}"
            )
        drawn, true = file["points"], file["hull"]
    if drawn.ndim != 3 or drawn.shape[1] > largest or true.max() > drawn.shape[1]:
        raise ValueError(
            f"Expected points (count, {largest} at most, 2) and indices from 1 to their number. "
            f"Received: points {drawn.shape}, indices up to {true.max()}"
        )
    closing = np.arange(true.shape[1]) == (true > 0).sum(axis=1, keepdims=True) - 1
    return drawn, np.where(closing, 0, true)[:, : drawn.shape[1]].astype("int32") - 1
