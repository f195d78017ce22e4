"""The statistics of a comparison, checked against published tables and examples, and by hand."""

from math import erfc, isnan, sqrt

import numpy as np
import pytest

from sysmon.analyze.diff.significance import Side, adjusted, mean_p, order_p, rate_p, share_p, student_p

NAN = float("nan")


def side(n: float, blocks: float = 1, variance: float = NAN) -> Side:
    return Side(np.array([n], float), np.array([blocks], float), np.array([variance], float))


def one(p: np.ndarray) -> float:
    (value,) = p
    return float(value)


def normal(z: float) -> float:
    return erfc(z / sqrt(2))


@pytest.mark.parametrize(
    ("t", "df", "p"),
    [  # Student's t, two-sided: the table of any textbook
        (12.706, 1, 0.05),
        (2.571, 5, 0.05),
        (4.032, 5, 0.01),
        (2.228, 10, 0.05),
        (4.587, 10, 0.001),
        (2.042, 30, 0.05),
        (1.960, np.inf, 0.05),
        (3.291, np.inf, 0.001),
        (0.0, 7, 1.0),
    ],
)
def test_student(t: float, df: float, p: float) -> None:
    assert one(student_p(np.array([t]), np.array([df]))) == pytest.approx(p, rel=2e-3)
    assert one(student_p(np.array([-t]), np.array([df]))) == pytest.approx(p, rel=2e-3)


def test_student_far_out_and_with_one_degree_is_exact() -> None:
    # With one degree of freedom t is Cauchy's: P(|t| >= x) = 2 atan(1/x) / pi.
    t = np.array([0.1, 1.0, 50.0, 1e5])
    assert student_p(t, np.ones(4)) == pytest.approx(2 * np.arctan(1 / t) / np.pi, rel=1e-9)
    # With two: P = 1 - t / sqrt(2 + t²), which is 1 / t² far out.
    assert one(student_p(np.array([1e4]), np.array([2.0]))) == pytest.approx(1e-8, rel=1e-4)


def test_many_degrees_meet_the_normal() -> None:
    df = np.array([9_999.0, 10_001.0])
    few, many = student_p(np.array([4.0, 4.0]), df)
    assert few == pytest.approx(many, rel=0.01)


def test_benjamini_and_hochberg_1995() -> None:
    """Their example, section 3.2: of 15 tests four are rejected at a rate of 0.05, three by Bonferroni."""
    p = np.array(
        [.0001, .0004, .0019, .0095, .0201, .0278, .0298, .0344, .0459, .3240, .4262, .5719, .6528, .7590, 1.0]
    )  # fmt: skip
    q = adjusted(p)
    assert (q <= 0.05).tolist() == [True] * 4 + [False] * 11
    assert q[3] == pytest.approx(0.0095 * 15 / 4)
    assert q[6] == q[5] == pytest.approx(0.0298 * 15 / 7)  # never below that of a smaller p
    assert adjusted(p[::-1]).tolist() == q[::-1].tolist()


def test_untested_values_do_not_count() -> None:
    q = adjusted(np.array([NAN, 0.01, NAN, 0.5]))
    assert q[[1, 3]] == pytest.approx([0.02, 0.5])
    assert np.isnan(q[[0, 2]]).all()
    assert np.isnan(adjusted(np.array([NAN]))).all()
    assert len(adjusted(np.array([]))) == 0


def test_order_without_ties() -> None:
    """Five each, all of one side below the other: U = 0, with variance 5·5·11/12 = 22.917 and a continuity correction
    of ½.
    """
    z = (12.5 - 0.5) / sqrt(5 * 5 * 11 / 12)
    assert one(order_p(side(5), side(5), np.array([1.0]), np.array([0.0]))) == pytest.approx(normal(z))


def test_order_with_ties() -> None:
    """Before 1 2 2 3, after 2 3 3 4: U of after counts the pairs in which it is larger, ties half.

    after 2: beats 1, ties 2 2            1 + 1   = 2
    after 3: beats 1 2 2, ties 3          3 + 1/2 = 3.5, twice
    after 4: beats all                            = 4      together 13 of 16
    Ties: three 2 (24), three 3 (24). Variance of U: 16/12 · (9 - 48/(8·7)) = 10.857.
    """
    z = (13 - 8 - 0.5) / sqrt(16 / 12 * (9 - 48 / 56))
    assert one(order_p(side(4), side(4), np.array([13 / 16]), np.array([48.0]))) == pytest.approx(normal(z))


def test_order_of_one_bucket_is_no_difference() -> None:
    assert one(order_p(side(4), side(4), np.array([0.5]), np.array([8.0**3 - 8]))) == 1


def test_blocks_that_differ_weaken_a_difference() -> None:
    """The variance is the blocks', 0.01 on each side with 4 blocks: t = 0.25 / sqrt(0.02), 6 degrees of freedom."""
    p = one(order_p(side(1000, 4, 0.01), side(1000, 4, 0.01), np.array([0.75]), np.array([0.0])))
    t = (0.25 - 0.5e-6) / sqrt(0.02)
    assert p == pytest.approx(one(student_p(np.array([t]), np.array([6.0]))))
    # A side of one block is assumed to vary as the other does; with half the calls, twice as much.
    p = one(order_p(side(1000, 4, 0.01), side(500), np.array([0.75]), np.array([0.0])))
    t = (0.25 - 1e-6) / sqrt(0.03)
    assert p == pytest.approx(one(student_p(np.array([t]), np.array([3.0]))))


def test_share_is_chi_squared_after_yates() -> None:
    """9 of 12 against 3 of 12: n(|ad - bc| - n/2)² / products = 24·(72 - 12)²/12⁴ = 4.1667, p = 0.0412."""
    p = one(share_p(side(12), side(12), np.array([9.0]), np.array([3.0])))
    assert p == pytest.approx(normal(sqrt(24 * 60**2 / 12**4)))
    assert p == pytest.approx(0.0412, abs=1e-4)


def test_share_of_none_or_all() -> None:
    for hits in (0.0, 12.0):
        assert one(share_p(side(12), side(12), np.array([hits]), np.array([hits]))) == 1
    assert isnan(one(share_p(side(0), side(12), np.array([0.0]), np.array([3.0]))))


def test_a_share_with_blocks_counts_as_fewer_calls() -> None:
    """A variance four times that of independent calls is that of a quarter of them: 9 of 12 against 3 of 12 again."""
    variance = 4 * 0.25 / 48
    wide = share_p(side(48, 1e6, variance), side(48, 1e6, variance), np.array([36.0]), np.array([12.0]))
    assert one(wide) == pytest.approx(one(share_p(side(12), side(12), np.array([9.0]), np.array([3.0]))))


def test_rates() -> None:
    """20 in 10 s against 40 in 10 s: half of 60 is 30; the distance is 10 - 1/2, the variance 15."""
    p = one(rate_p(side(20), side(40), 10.0, 10.0))
    assert p == pytest.approx(normal(9.5 / sqrt(15)))
    # 20 in 10 s against 40 in 20 s is no difference.
    assert one(rate_p(side(20), side(40), 10.0, 20.0)) == 1
    # Block counts that vary four times as much as their mean: half as many standard deviations.
    p = one(rate_p(side(20, 1e6, 4.0), side(40, 1e6, 4.0), 10.0, 10.0))
    assert p == pytest.approx(normal((10 - 2) / sqrt(60)))
    # A variance below Poisson's is not used.
    assert one(rate_p(side(20, 1e6, 0.1), side(40, 1e6, 0.1), 10.0, 10.0)) == pytest.approx(normal(9.5 / sqrt(15)))
    assert isnan(one(rate_p(side(20), side(40), 0.0, 10.0)))


def test_means() -> None:
    """Welch: variances of the means 0.1 and 0.2 of 5 and 9 blocks; df = 0.09 / (0.01/4 + 0.04/8) = 12."""
    p = one(mean_p(side(1, 5, 0.1), side(1, 9, 0.2), np.array([1.0]), np.array([3.0])))
    assert p == pytest.approx(one(student_p(np.array([2 / sqrt(0.3)]), np.array([12.0]))))
    assert isnan(one(mean_p(side(1, 1), side(1, 9, 0.2), np.array([1.0]), np.array([3.0]))))
    assert one(mean_p(side(1, 5, 0.0), side(1, 9, 0.0), np.array([1.0]), np.array([1.0]))) == 1
    assert one(mean_p(side(1, 5, 0.0), side(1, 9, 0.0), np.array([1.0]), np.array([3.0]))) == 0


def test_the_tail_test_has_its_stated_false_alarm_rate() -> None:
    """The threshold is the smaller p99 of the two, chosen afterwards: of 2,000 equal pairs 5 % are below 0.05."""
    random = np.random.default_rng(1)
    x, y = random.exponential(size=(2, 2000, 1000))
    edge = np.minimum(*(np.sort(side, axis=1)[:, 989] for side in (x, y)))[:, None]
    hits = [(side > edge).sum(axis=1).astype(float) for side in (x, y)]
    many = Side(np.full(2000, 1000.0), np.ones(2000), np.full(2000, NAN))
    assert 0.01 < np.mean(share_p(many, many, *hits) < 0.05) < 0.06
