"""Gaussian processes against the textbook's formulas."""

import numpy as np
import pytest
from scipy.optimize import check_grad

from explorer.engine.surrogate.gaussian_process import GaussianProcess, Hyperparameters, _Objective

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(15, 3)), RNG.normal(size=(15, 2))
OWN = Hyperparameters(np.array([1.0, 2.0, 0.7]), amplitude=0.9, linear=0.3, noise=0.2)


def test_the_gradient_is_that_of_the_posterior() -> None:
    squares = np.square(X[:, np.newaxis] - X)
    objective = _Objective(X @ X.T, squares, Y, np.zeros(6))
    for seed in range(5):
        where = np.random.default_rng(seed).normal(scale=0.5, size=6)
        error = check_grad(lambda at: objective(at)[0], lambda at: objective(at)[1], where)
        assert error < 1e-4 * np.linalg.norm(objective(where)[1]) + 1e-4


def test_covariance_is_symmetric_positive_and_has_the_prior_variance() -> None:
    K = OWN.covariance(X, X)
    np.testing.assert_allclose(K, K.T)
    assert np.linalg.eigvalsh(K).min() > -1e-9
    np.testing.assert_allclose(np.diag(K), OWN.variance(X), rtol=1e-5)


def test_the_posterior_is_that_of_the_textbook() -> None:
    process = GaussianProcess(X, Y, OWN, least_sd=0.0)
    new = RNG.normal(size=(4, 3))
    mean, sd = process.predict(new)
    inverse = np.linalg.inv(OWN.covariance(X, X) + (OWN.noise**2 + 1e-6) * np.eye(len(X)))
    cross, scaled = OWN.covariance(new, X), (Y - Y.mean(0)) / Y.std(0)
    np.testing.assert_allclose(mean, cross @ inverse @ scaled * Y.std(0) + Y.mean(0), rtol=1e-8)
    variance = OWN.variance(new) - np.einsum("ij,jk,ik->i", cross, inverse, cross) + OWN.noise**2
    np.testing.assert_allclose(sd, np.sqrt(variance)[:, np.newaxis] * Y.std(0), rtol=1e-8)


def test_left_out_is_a_fit_without_the_point() -> None:
    scaled = (Y - Y.mean(0)) / Y.std(0)
    found = GaussianProcess(X, scaled, OWN, least_sd=0.0).left_out()
    for left in range(len(X)):
        rest = np.arange(len(X)) != left
        K = OWN.covariance(X[rest], X[rest]) + (OWN.noise**2 + 1e-6) * np.eye(len(X) - 1)
        expected = OWN.covariance(X[[left]], X[rest]) @ np.linalg.solve(K, scaled[rest])
        np.testing.assert_allclose(found[left], expected[0], rtol=1e-6, atol=1e-9)


def test_a_function_without_noise_is_interpolated() -> None:
    points = np.linspace(-2, 2, 25)[:, np.newaxis]
    values = np.sin(2 * points)
    own = Hyperparameters.fit(points, (values - values.mean()) / values.std())
    process = GaussianProcess(points, values, own, least_sd=0.0)
    new = np.array([[0.33], [-1.21]])
    mean, sd = process.predict(new)
    assert np.abs(mean - np.sin(2 * new)).max() < 0.02
    assert (np.abs(mean - np.sin(2 * new)) < 3 * sd).all()


def test_fitting_twice_gives_the_same() -> None:
    one, two = (Hyperparameters.fit(X, Y) for _ in range(2))
    assert one.lengthscales.tolist() == two.lengthscales.tolist()
    assert (one.amplitude, one.linear, one.noise) == (two.amplitude, two.linear, two.noise)


def test_noise_is_found_where_there_is_nothing_else() -> None:
    values = np.random.default_rng(1).normal(size=(60, 1))
    points = np.random.default_rng(2).normal(size=(60, 2))
    assert Hyperparameters.fit(points, values).noise > 0.5


@pytest.mark.parametrize("least_sd", [0.05, 0.5])
def test_a_target_that_never_varies_is_predicted(least_sd: float) -> None:
    mean, sd = GaussianProcess(X, np.full((15, 1), 0.7), OWN, least_sd).predict(X[:2])
    np.testing.assert_allclose(mean, 0.7)
    assert (sd > 0).all()


def test_wherever_a_fit_may_go_there_is_a_posterior() -> None:
    points = np.repeat(X, 3, axis=0)  # many equal ones: the hardest covariance there is
    values = np.repeat(Y, 3, axis=0)
    for signs in np.array(np.meshgrid(*[[-5.0, 5.0]] * 3)).reshape(3, -1).T:
        amplitude, linear, noise = np.exp(np.log([1.0, 0.5, 0.2]) + signs)
        for scale in (2.5 * np.exp(-5.0), 2.5, 1e6):
            own = Hyperparameters(np.full(3, scale), float(amplitude), float(linear), float(noise))
            mean, sd = GaussianProcess(points, values, own, least_sd=0.05).predict(X[:2])
            assert np.isfinite(mean).all()
            assert (sd > 0).all()
