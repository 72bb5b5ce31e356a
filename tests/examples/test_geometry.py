"""The tasks of pointer networks: answers are compared with definitions and brute force."""

from itertools import combinations, permutations

import numpy as np
import pytest

from examples.datasets import geometry

SQUARE = np.array([[[0, 0], [1, 1], [1, 0], [0, 1], [0.5, 0.4]]])  # and a point inside


def draw(n, count=23, seed=0):
    return geometry.sample_points(np.random.default_rng(seed), count, n)


def list_corners(indices):
    return indices[indices >= 0].tolist()


def test_the_hull_of_a_square_is_its_corners_from_the_smallest_index():
    assert geometry.hull(SQUARE).tolist() == [[0, 2, 1, 3, -1]]
    assert geometry.hull(SQUARE[:, [4, 3, 1, 2, 0]]).tolist() == [[1, 4, 3, 2, -1]]


@pytest.mark.parametrize("n", [3, 5, 11])
def test_all_points_are_left_of_every_edge_of_a_hull(n):
    points = draw(n)
    for instance, indices in zip(points, geometry.hull(points), strict=True):
        corners = list_corners(indices)
        assert corners[0] == min(corners) and len(set(corners)) == len(corners) >= 3
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            other_points = [c for c in range(n) if c not in (a, b)]
            assert (geometry.turn(instance[a], instance[b], instance[other_points]) > 0).all()


def test_triangles_have_increasing_indices_and_are_ordered_by_incenter():
    # One triangle is above the other, or right of it.
    points = np.array([[[0, 0], [2, 2], [3, 0], [0, 3]]], "float64")
    assert geometry.delaunay(points).tolist() == [[0, 1, 3, 0, 1, 2, -1, -1, -1]]
    points = np.array([[[0, 0], [2, 0], [1, 3], [1, -3]]], "float64")  # one above the other
    assert geometry.delaunay(points).tolist() == [[0, 1, 3, 0, 1, 2, -1, -1, -1]]


def test_no_triangulation_is_longer_than_the_maximum_of_its_task():
    points = np.concatenate([[[0.0, 0], [10, 0], [5, 9]], 4 + draw(4, 1)[0]])[None]
    triples = geometry.delaunay(points)  # a hull of 3 corners maximizes the number of triangles
    assert triples.shape == (1, geometry.TASKS["delaunay"].longest(7)) == (1, 27)
    assert (triples >= 0).all()


@pytest.mark.parametrize("n", [3, 4, 7])
def test_no_tour_is_shorter_than_that_of_held_and_karp(n):
    points = draw(n)
    tours = geometry.tour(points)
    assert (tours[:, 0] == 0).all() and (np.sort(tours, axis=1) == np.arange(n)).all()
    assert (geometry.area(points, tours) > 0).all()
    all_tours = [np.tile([0, *rest], (len(points), 1)) for rest in permutations(range(1, n))]
    shortest = np.min([geometry.tour_length(points, tours) for tours in all_tours], axis=0)
    np.testing.assert_allclose(geometry.tour_length(points, tours), shortest)


def test_numbers_differ_by_at_least_a_hundredth_and_are_ordered():
    numbers = geometry.sample_numbers(np.random.default_rng(0), 23, 11)
    assert numbers.shape == (23, 11, 1) and numbers.min() >= 0 and numbers.max() <= 0.99
    ordered = np.take_along_axis(numbers[..., 0], geometry.order(numbers), axis=1)
    assert (np.diff(ordered) > 0.0099).all()


@pytest.mark.parametrize("name", geometry.TASKS)
def test_equal_seeds_give_equal_instances_and_answers(name):
    task = geometry.TASKS[name]
    first, second, other = (task.sample(np.random.default_rng(seed), 3, 5) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
    assert first.shape == (3, 5, task.width) and task.answer(first).shape == (3, task.longest(5))
    np.testing.assert_array_equal(task.answer(first), task.answer(second))


def test_a_polygon_is_rotated_to_its_smallest_index():
    polygons = np.array([[3, 1, 2, -1], [1, 2, 3, -1], [2, 3, 1, 0], [2, 1, 3, -1], [-1] * 4])
    rotated = [[1, 2, 3, -1], [1, 2, 3, -1], [0, 2, 3, 1], [1, 3, 2, -1], [-1] * 4]
    assert geometry.rotate_to_smallest(polygons).tolist() == rotated


def test_the_sign_of_an_area_is_its_direction():
    polygons = np.array([[0, 2, 1, 3, -1], [0, 3, 1, 2, -1], [2, 1, 0, -1, -1]])
    points = np.repeat(SQUARE, 3, axis=0)
    np.testing.assert_allclose(geometry.area(points, polygons), [1, -1, 0.5])
    np.testing.assert_allclose(geometry.tour_length(points, polygons), [4, 4, 2 + 2**0.5])


@pytest.mark.parametrize(
    "polygon, simple",
    [
        ([0, 2, 1, 3, -1], True),
        ([0, 2, 1, 3, 4], True),
        ([0, 1, 2, 3, -1], False),  # a bow tie
        ([0, 2, -1, -1, -1], False),
        ([0, 2, 1, 0, -1], False),  # a corner twice
        ([-1, -1, -1, -1, -1], False),
    ],
)
def test_a_simple_polygon_has_three_corners_and_no_crossing_edges(polygon, simple):
    assert geometry.is_simple(SQUARE, np.array([polygon])).tolist() == [simple]


def test_only_triangles_with_an_empty_circumcircle_are_in_a_triangulation():
    points = draw(6)
    for instance, indices in zip(points, geometry.delaunay(points), strict=True):
        triangles = {tuple(triple) for triple in indices[indices >= 0].reshape(-1, 3).tolist()}
        for triple in combinations(range(6), 3):
            corners = instance[list(triple)]
            # |p - center|^2 is equal for the three corners: two linear equations.
            edges = corners[1:] - corners[0]
            center = corners[0] + np.linalg.solve(2 * edges, (edges**2).sum(axis=1))
            distances = np.linalg.norm(instance - center, axis=1)
            other_points = [index for index in range(6) if index not in triple]
            is_empty = (distances[other_points] > distances[triple[0]]).all()
            assert is_empty == (triple in triangles)


def test_a_hull_may_start_at_any_corner_and_area_coverage_is_a_mean():
    points, expected = np.repeat(SQUARE, 3, axis=0), np.array([[0, 2, 1, 3, -1]] * 3)
    answers = np.array([[1, 3, 0, 2, -1], [0, 2, 1, -1, -1], [0, 2, 1, 3, -1]])
    figures = geometry.evaluate("hull", points, expected, answers)
    assert figures == {
        "accuracy": pytest.approx(2 / 3),
        "simple polygons": 1,
        "area coverage": pytest.approx((1 + 0.5 + 1) / 3),
    }


@pytest.mark.parametrize("crossing, covered", [(1, pytest.approx(1)), (2, "FAIL")])
def test_the_area_coverage_fails_if_more_than_one_percent_of_the_polygons_are_not_simple(
    crossing, covered
):
    answers = np.array([[0, 2, 1, 3, -1]] * 100)
    expected = answers.copy()
    answers[:crossing] = [0, 1, 2, 3, -1]
    figures = geometry.evaluate("hull", np.repeat(SQUARE, 100, axis=0), expected, answers)
    assert figures["area coverage"] == covered
    assert figures["accuracy"] == figures["simple polygons"] == 1 - crossing / 100


def test_a_triangulation_is_a_set_of_triangles():
    expected = np.array([[0, 1, 2, 1, 2, 3, -1, -1, -1]] * 4)
    answers = np.array(
        [
            [3, 2, 1, 0, 2, 1, -1, -1, -1],  # another order
            [0, 1, 2, -1, -1, -1, -1, -1, -1],
            [0, 1, 2, 1, 2, 3, 0, -1, -1],  # one index too many
            [0, 1, 3, 0, 2, 3, -1, -1, -1],
        ]
    )
    figures = geometry.evaluate("delaunay", None, expected, answers)
    assert figures == {"accuracy": 0.25, "triangle coverage": (1 + 0.5 + 1 + 0) / 4}


def test_a_tour_is_compared_with_the_optimum():
    expected, answers = np.array([[0, 2, 1, 3]]), np.array([[0, 1, 2, 3]])
    figures = geometry.evaluate("tsp", SQUARE[:, :4], expected, answers)
    assert figures == {
        "tour length": pytest.approx(2 + 2 * 2**0.5),
        "optimum": pytest.approx(4),
        "excess length": pytest.approx(2**0.5 / 2 - 0.5),
    }


def test_numbers_are_sorted_if_all_are_in_place():
    expected = np.array([[0, 1, 2], [2, 1, 0]])
    figures = geometry.evaluate("sort", None, expected, np.array([[0, 1, 2], [2, 0, 1]]))
    assert figures == {"accuracy": 0.5}


def test_the_hulls_of_a_file_equal_computed_ones(tmp_path):
    points = draw(5, 7)
    expected = geometry.hull(points)
    stored = np.zeros((7, 7), int)  # indices from 1, the first again at the end, then 0
    for row, indices in zip(stored, expected, strict=True):
        corners = indices[indices >= 0] + 1
        row[: len(corners) + 1] = [*corners, corners[0]]
    np.savez(tmp_path / "hulls.npz", points=points, hull=stored)
    loaded, answers = geometry.load_hulls(tmp_path / "hulls.npz", 5)
    np.testing.assert_array_equal(loaded, points)
    np.testing.assert_array_equal(answers, expected)


def test_a_file_with_other_arrays_or_too_many_points_is_refused(tmp_path):
    np.savez(tmp_path / "hulls.npz", points=draw(5, 2), hull=np.ones((2, 7), int))
    with pytest.raises(ValueError, match=r"Expected points \(count, at most 4, 2\)"):
        geometry.load_hulls(tmp_path / "hulls.npz", 4)
    np.savez(tmp_path / "other.npz", x=np.ones(1))
    with pytest.raises(ValueError, match="Expected a file with arrays `points` and `hull`"):
        geometry.load_hulls(tmp_path / "other.npz", 4)
