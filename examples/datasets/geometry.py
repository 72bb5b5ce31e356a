"""The tasks of pointer networks (Vinyals et al. 2015): instances, correct answers and metrics.

An instance is a set of points or numbers, its elements. An answer is a sequence of indices of the
elements, computed in float64. Points are uniform in the unit square; numbers are distinct integers
of two digits, divided by 100.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy import spatial

NOTHING = -1  # padding after the last index of an answer


class Task(NamedTuple):
    """A task.

    Attributes:
        sample: Function of a random generator, a count and n that returns instances `(count, n,
            width)`.
        answer: Function of instances that returns the correct answers: indices `(count, L)`,
            padded with `NOTHING`.
        longest: Function of n that returns L, the maximum length of an answer.
        width: Number of coordinates of an element.
        ends: Whether answers differ in length, so that the decoder needs to point to an end.
        repeats: Whether an answer may contain an index twice.
        largest: Maximum of n, which is limited by the instances or by the memory for answers.
    """

    sample: object
    answer: object
    longest: object
    width: int = 2
    ends: bool = False
    repeats: bool = False
    largest: int = 1000


def sample_points(rng, count, n):
    """Sample points `(count, n, 2)`, uniform in the unit square."""
    return rng.random((count, n, 2))


def sample_numbers(rng, count, n):
    """Sample distinct numbers from 0, 0.01, ..., 0.99, `(count, n, 1)`.

    Uniform real numbers could be equal in float32.
    """
    order = np.argsort(rng.random((count, 100)), axis=1)
    return order[:, :n, None] / 100


def hull(points):
    """Return convex hulls, counter-clockwise, starting with their smallest index."""
    corners = np.full(points.shape[:2], NOTHING, "int32")
    for row, instance in zip(corners, points, strict=True):
        vertices = spatial.ConvexHull(instance).vertices  # counter-clockwise
        row[: len(vertices)] = np.roll(vertices, -vertices.argmin())
    return corners


def delaunay(points):
    """Return Delaunay triangulations, ordered by the triangles' incenters.

    Each triangle is three increasing indices; the triangles are concatenated.
    """
    triangles = [np.sort(spatial.Delaunay(instance).simplices, axis=1) for instance in points]
    counts = np.array([len(triples) for triples in triangles], "int32")
    rows = np.repeat(np.arange(len(points)), counts)
    triangles = np.concatenate([np.empty((0, 3), "int32"), *triangles])
    a, b, c = points[rows[:, None], triangles].swapaxes(0, 1)
    sides = [np.linalg.norm(p - q, axis=-1)[:, None] for p, q in ((b, c), (c, a), (a, b))]
    incenters = sum(s * p for s, p in zip(sides, (a, b, c), strict=True)) / sum(sides)
    triangles = triangles[np.lexsort((incenters[:, 1], incenters[:, 0], rows))]
    triples = np.full(
        (len(points), get_max_delaunay_length(points.shape[1]) // 3, 3), NOTHING, "int32"
    )
    triples[np.arange(triples.shape[1]) < counts[:, None]] = triangles
    return triples.reshape(len(points), -1)


def tour(points):
    """Return the shortest closed tours (Held and Karp 1962), from index 0, counter-clockwise.

    `cost[cities, last]` is the length of the shortest path from 0 through a set of cities that ends
    at the city `last` of the set. The bits of the number `cities` encode the set. All sets of one
    size are extended at once.
    """
    count, n, _ = points.shape
    distances = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1).transpose(1, 2, 0)
    cities = n - 1  # all but the first: city k has index k + 1
    cost = np.full((2**cities, cities, count), np.inf)
    cost[2 ** np.arange(cities), np.arange(cities)] = distances[0, 1:]
    for size in range(2, cities + 1):
        sets = np.array(list(combinations(range(cities), size)))
        numbers = (2**sets).sum(axis=1)
        for place in range(size):
            last, remaining = sets[:, place], np.delete(sets, place, axis=1)
            lengths_by_city = cost[(numbers - 2**last)[:, None], remaining]
            lengths_by_city += distances[remaining + 1, last[:, None] + 1]
            cost[numbers, last] = lengths_by_city.min(axis=1)
    rows, tours = np.arange(count), np.zeros((count, n), "int32")
    visited = np.full(count, 2**cities - 1)
    for place in range(n - 1, 0, -1):
        lengths_by_city = cost[visited, :, rows] + distances[1:, tours[:, (place + 1) % n], rows].T
        last = lengths_by_city.argmin(axis=1)
        tours[:, place], visited = last + 1, visited - 2**last
    clockwise = area(points, tours) < 0
    tours[clockwise, 1:] = tours[clockwise, :0:-1]
    return tours


def order(numbers):
    """Return the indices of the numbers in increasing order."""
    return numbers[..., 0].argsort(axis=1).astype("int32")


def get_max_delaunay_length(n):
    """Return 3 times the maximum number of triangles.

    The number of triangles is 2n - 2 minus the number of corners of the hull, which is at least 3.
    """
    return 3 * (2 * n - 5)


TASKS = {
    "hull": Task(sample_points, hull, lambda n: n, ends=True),
    "delaunay": Task(sample_points, delaunay, get_max_delaunay_length, ends=True, repeats=True),
    "tsp": Task(sample_points, tour, lambda n: n, largest=12),
    "sort": Task(sample_numbers, order, lambda n: n, width=1, largest=100),
}


def cross(a, b):
    """Return the third coordinate of the cross product of vectors in the plane."""
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def turn(a, b, c):
    """Return a number that is positive if the path a, b, c turns left, negative if right."""
    return cross(b - a, c - a)


def rotate_to_smallest(polygons):
    """Rotate the index sequence of each polygon so that it starts with its smallest index."""
    real = polygons >= 0
    lengths = np.maximum(real.sum(axis=1, keepdims=True), 1)
    start = np.where(real, polygons, polygons.shape[1]).argmin(axis=1)[:, None]
    rotated = (start + np.arange(polygons.shape[1])) % lengths
    return np.where(real, np.take_along_axis(polygons, rotated, axis=1), NOTHING)


def get_corners(points, polygons):
    """Return the corners of polygons `(count, L + 1, 2)`, closed by repeating the first one."""
    indices = np.where(polygons >= 0, polygons, polygons[:, :1])
    indices = np.concatenate([indices, indices[:, :1]], axis=1)
    return np.take_along_axis(points, np.maximum(indices, 0)[..., None], axis=1)


def area(points, polygons):
    """Return the areas of polygons, which are positive if the polygon is counter-clockwise."""
    corners = get_corners(points, polygons)
    return cross(corners[:, :-1], corners[:, 1:]).sum(axis=1) / 2


def tour_length(points, tours):
    """Return the lengths of closed tours."""
    return np.linalg.norm(np.diff(get_corners(points, tours), axis=1), axis=-1).sum(axis=1)


def is_simple(points, polygons):
    """Return True for polygons with at least three corners, none twice, and no crossing edges."""
    corners = get_corners(points, polygons)
    a, b = corners[:, :-1, None], corners[:, 1:, None]
    c, d = corners[:, None, :-1], corners[:, None, 1:]
    crossing = (turn(a, b, c) * turn(a, b, d) < 0) & (turn(c, d, a) * turn(c, d, b) < 0)
    real = polygons >= 0
    same = (polygons[:, :, None] == polygons[:, None]) & real[:, None] & real[:, :, None]
    distinct = same.sum(axis=(1, 2)) == real.sum(axis=1)
    return (real.sum(axis=1) >= 3) & distinct & ~crossing.any(axis=(1, 2))


def evaluate(task, instances, expected, answers):
    """Return the paper's metrics for answers to a task.

    A correct hull is counter-clockwise, and may start at any corner. The area coverage is the mean
    over the simple polygons, or "FAIL" if more than 1 % of the polygons are not simple.
    """
    if task == "hull":
        simple = is_simple(instances, answers)
        covered = np.abs(area(instances, answers)[simple]) / area(instances, expected)[simple]
        return {
            "accuracy": float((rotate_to_smallest(answers) == expected).all(axis=1).mean()),
            "simple polygons": float(simple.mean()),
            "area coverage": float(covered.mean()) if simple.mean() >= 0.99 else "FAIL",
        }
    if task == "delaunay":
        pairs = [
            (get_triangles(a), get_triangles(b)) for a, b in zip(answers, expected, strict=True)
        ]
        return {
            "accuracy": float(np.mean([a == b for a, b in pairs])),
            "triangle coverage": float(np.mean([len(a & b) / len(b) for a, b in pairs])),
        }
    if task == "tsp":
        length, optimum = (tour_length(instances, tours).mean() for tours in (answers, expected))
        return {
            "tour length": float(length),
            "optimum": float(optimum),
            "excess length": float(length / optimum - 1),
        }
    return {"accuracy": float((answers == expected).all(axis=1).mean())}


def get_triangles(indices):
    """Return the set of triangles of a sequence of indices, with an incomplete one at the end."""
    indices = [int(index) for index in indices if index >= 0]
    return {tuple(sorted(indices[first : first + 3])) for first in range(0, len(indices), 3)}


def load_hulls(path, largest):
    """Load the authors' instances, with at most `largest` points, and their answers.

    The file's indices start from 1; those of the answers start from 0.
    """
    with np.load(path) as file:
        if not {"points", "hull"} <= set(file.files):
            raise ValueError(
                f"Expected a file with arrays `points` and `hull`. Received: {path}, {file.files}"
            )
        points, hulls = file["points"], file["hull"]
    if points.ndim != 3 or points.shape[1] > largest or hulls.max() > points.shape[1]:
        raise ValueError(
            f"Expected points (count, at most {largest}, 2) and indices from 1 to that number. "
            f"Received: points {points.shape}, indices up to {hulls.max()}"
        )
    closing = np.arange(hulls.shape[1]) == (hulls > 0).sum(axis=1, keepdims=True) - 1
    return points, np.where(closing, 0, hulls)[:, : points.shape[1]].astype("int32") - 1
