from itertools import combinations, permutations

import numpy as np
import pytest

from examples.datasets import geometry

SQUARE = np.array([[[0, 0], [1, 1], [1, 0], [0, 1], [0.5, 0.4]]])  # and a point within


def drawn(n, count=23, seed=0):
    return geometry.draw_points(np.random.default_rng(seed), count, n)


def real(indices):
    return indices[indices >= 0].tolist()


def test_a_square_has_its_corners_as_hull_counter_clockwise_from_index_0():
    assert geometry.hull(SQUARE).tolist() == [[0, 2, 1, 3, -1]]
    assert geometry.hull(SQUARE[:, [4, 3, 1, 2, 0]]).tolist() == [[1, 4, 3, 2, -1]]


@pytest.mark.parametrize("n", [3, 5, 11])
def test_all_points_lie_left_of_every_edge_of_a_hull(n):
    points = drawn(n)
    for instance, indices in zip(points, geometry.hull(points), strict=True):
        corners = real(indices)
        assert corners[0] == min(corners) and len(set(corners)) == len(corners) >= 3
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            others = [c for c in range(n) if c not in (a, b)]
            assert (geometry.turn(instance[a], instance[b], instance[others]) > 0).all()


def test_triangles_have_increasing_indices_and_stand_in_the_order_of_their_incentres():
    points = np.array(
        [[[0, 0], [2, 2], [3, 0], [0, 3]]], "float64"
    )  # one is above, the other right
    assert geometry.delaunay(points).tolist() == [[0, 1, 3, 0, 1, 2, -1, -1, -1]]
    points = np.array([[[0, 0], [2, 0], [1, 3], [1, -3]]], "float64")  # one is above the other
    assert geometry.delaunay(points).tolist() == [[0, 1, 3, 0, 1, 2, -1, -1, -1]]


def test_triangulations_fit_their_longest():
    points = np.concatenate([[[0.0, 0], [10, 0], [5, 9]], 4 + drawn(4, 1)[0]])[None]
    triples = geometry.delaunay(points)  # a hull of 3 has the most triangles
    assert triples.shape == (1, geometry.TASKS["delaunay"].longest(7)) == (1, 27)
    assert (triples >= 0).all()


@pytest.mark.parametrize("n", [3, 4, 7])
def test_no_tour_is_shorter_than_held_and_karps(n):
    points = drawn(n)
    tours = geometry.tour(points)
    assert (tours[:, 0] == 0).all() and (np.sort(tours, axis=1) == np.arange(n)).all()
    assert (geometry.area(points, tours) > 0).all()
    every = [np.tile([0, *rest], (len(points), 1)) for rest in permutations(range(1, n))]
    shortest = np.min([geometry.tour_length(points, tours) for tours in every], axis=0)
    np.testing.assert_allclose(geometry.tour_length(points, tours), shortest)


def test_numbers_differ_by_a_hundredth_at_least_and_are_put_in_order():
    numbers = geometry.draw_numbers(np.random.default_rng(0), 23, 11)
    assert numbers.shape == (23, 11, 1) and numbers.min() >= 0 and numbers.max() <= 0.99
    ordered = np.take_along_axis(numbers[..., 0], geometry.order(numbers), axis=1)
    assert (np.diff(ordered) > 0.0099).all()


@pytest.mark.parametrize("name", geometry.TASKS)
def test_a_seed_gives_the_same_instances_and_answers_again(name):
    task = geometry.TASKS[name]
    one, again, other = (task.draw(np.random.default_rng(seed), 3, 5) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    assert one.shape == (3, 5, task.width) and task.answer(one).shape == (3, task.longest(5))
    np.testing.assert_array_equal(task.answer(one), task.answer(again))


def test_a_polygon_is_the_same_from_any_of_its_corners():
    polygons = np.array([[3, 1, 2, -1], [1, 2, 3, -1], [2, 3, 1, 0], [2, 1, 3, -1], [-1] * 4])
    turned = [[1, 2, 3, -1], [1, 2, 3, -1], [0, 2, 3, 1], [1, 3, 2, -1], [-1] * 4]
    assert geometry.from_smallest(polygons).tolist() == turned


def test_area_is_signed_by_the_direction():
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
def test_a_simple_polygon_has_three_corners_and_no_crossing(polygon, simple):
    assert geometry.is_simple(SQUARE, np.array([polygon])).tolist() == [simple]


def test_a_triangle_of_the_triangulation_has_no_point_in_its_circumcircle():
    points = drawn(6)
    for instance, indices in zip(points, geometry.delaunay(points), strict=True):
        found = {tuple(triple) for triple in indices[indices >= 0].reshape(-1, 3).tolist()}
        for triple in combinations(range(6), 3):
            corners = instance[list(triple)]
            # |p - centre|^2 is the same for the three corners: two linear equations.
            edges = corners[1:] - corners[0]
            centre = corners[0] + np.linalg.solve(2 * edges, (edges**2).sum(axis=1))
            distances = np.linalg.norm(instance - centre, axis=1)
            others = [index for index in range(6) if index not in triple]
            empty = (distances[others] > distances[triple[0]]).all()
            assert empty == (triple in found)


def test_a_hull_is_right_from_any_corner_and_covers_what_it_covers():
    points, true = np.repeat(SQUARE, 3, axis=0), np.array([[0, 2, 1, 3, -1]] * 3)
    found = np.array([[1, 3, 0, 2, -1], [0, 2, 1, -1, -1], [0, 2, 1, 3, -1]])
    reached = geometry.figures("hull", points, true, found)
    assert reached == {
        "accuracy": pytest.approx(2 / 3),
        "simple polygons": 1,
        "area coverage": pytest.approx((1 + 0.5 + 1) / 3),
    }


@pytest.mark.parametrize("crossing, covered", [(1, pytest.approx(1)), (2, "FAIL")])
def test_the_area_fails_where_more_than_a_hundredth_cross_and_else_leaves_them_out(
    crossing, covered
):
    found = np.array([[0, 2, 1, 3, -1]] * 100)
    true = found.copy()
    found[:crossing] = [0, 1, 2, 3, -1]
    reached = geometry.figures("hull", np.repeat(SQUARE, 100, axis=0), true, found)
    assert reached["area coverage"] == covered
    assert reached["accuracy"] == reached["simple polygons"] == 1 - crossing / 100


def test_a_triangulation_is_a_set_of_triangles():
    true = np.array([[0, 1, 2, 1, 2, 3, -1, -1, -1]] * 4)
    found = np.array(
        [
            [3, 2, 1, 0, 2, 1, -1, -1, -1],  # another order
            [0, 1, 2, -1, -1, -1, -1, -1, -1],
            [0, 1, 2, 1, 2, 3, 0, -1, -1],  # and one index too many
            [0, 1, 3, 0, 2, 3, -1, -1, -1],
        ]
    )
    reached = geometry.figures("delaunay", None, true, found)
    assert reached == {"accuracy": 0.25, "triangle coverage": (1 + 0.5 + 1 + 0) / 4}


def test_a_tour_is_measured_by_the_optimum():
    true, found = np.array([[0, 2, 1, 3]]), np.array([[0, 1, 2, 3]])
    reached = geometry.figures("tsp", SQUARE[:, :4], true, found)
    assert reached == {
        "tour length": pytest.approx(2 + 2 * 2**0.5),
        "optimum": pytest.approx(4),
        "excess length": pytest.approx(2**0.5 / 2 - 0.5),
    }


def test_numbers_are_sorted_when_every_one_is_in_its_place():
    true = np.array([[0, 1, 2], [2, 1, 0]])
    reached = geometry.figures("sort", None, true, np.array([[0, 1, 2], [2, 0, 1]]))
    assert reached == {"accuracy": 0.5}


def test_a_file_of_hulls_is_read_as_hulls_are_computed(tmp_path):
    points = drawn(5, 7)
    true = geometry.hull(points)
    stored = np.zeros((7, 7), int)  # from 1, the first again at the end, then 0
    for row, indices in zip(stored, true, strict=True):
        corners = indices[indices >= 0] + 1
        row[: len(corners) + 1] = [*corners, corners[0]]
    np.savez(tmp_path / "hulls.npz", points=points, hull=stored)
    found, answers = geometry.read_hulls(tmp_path / "hulls.npz", 5)
    np.testing.assert_array_equal(found, points)
    np.testing.assert_array_equal(answers, true)


def test_a_file_of_other_arrays_or_of_too_many_points_is_refused(tmp_path):
    np.savez(tmp_path / "hulls.npz", points=drawn(5, 2), hull=np.ones((2, 7), int))
    with pytest.raises(ValueError, match=r"Expected points \(count, 4 at most, 2\)"):
        geometry.read_hulls(tmp_path / "hulls.npz", 4)
    np.savez(tmp_path / "other.npz", x=np.ones(1))
    with pytest.raises(ValueError, match="Expected a file of arrays `points` and `hull`"):
        geometry.read_hulls(tmp_path / "other.npz", 4)
