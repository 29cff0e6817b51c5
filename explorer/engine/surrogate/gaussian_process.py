"""Gaussian processes that share their hyperparameters: one regression for all accuracies of a backbone.

Covariance: a linear kernel, for the trend, plus a Matérn 5/2 kernel with one length scale per feature
(Rasmussen & Williams, "Gaussian Processes for Machine Learning", 2006, eq. 4.17 and 5.9). Hyperparameters are
those of maximum a posteriori under log-normal priors, which keep ten points from fitting ten length scales.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize

Floats = NDArray[np.float64]

_JITTER = 1e-6
_PRIOR_SD = 1.0  # of all logarithms
_LENGTHSCALE, _AMPLITUDE, _NOISE, _LINEAR = 2.5, 1.0, 0.2, 0.5  # prior medians, in standard deviations
_ITERATIONS = 40
_REACH = 5.0  # prior standard deviations that a fit may go


@dataclass(frozen=True, eq=False)
class Hyperparameters:
    """Of the covariance, for standardised features and targets.

    Attributes:
        lengthscales: Of the features (D,).
        amplitude: Standard deviation of the Matérn part.
        linear: Standard deviation of a slope.
        noise: Standard deviation of the noise: what the same network would differ by.

    Example:
        >>> X = np.linspace(-1, 1, 20)[:, np.newaxis]
        >>> fitted = Hyperparameters.fit(X, np.sin(3 * X))
        >>> bool(fitted.noise < 0.1 < fitted.lengthscales[0] < 5)
        True
    """

    lengthscales: Floats
    amplitude: float
    linear: float
    noise: float

    @classmethod
    def fit(cls, X_ND: Floats, Y_NT: Floats) -> Self:
        """The most probable ones given T targets at N points with D features, all standardised."""
        squares_NND = np.square(X_ND[:, np.newaxis] - X_ND)
        median = np.log([*[_LENGTHSCALE] * X_ND.shape[1], _AMPLITUDE, _LINEAR, _NOISE])
        objective = _Objective(X_ND @ X_ND.T, squares_NND, Y_NT, median)
        reach = _REACH * _PRIOR_SD  # beyond, a line search may try what no matrix is positive with
        bounds = [
            (at - reach, None if place < X_ND.shape[1] else at + reach) for place, at in enumerate(median)
        ]
        options = {"maxiter": _ITERATIONS}
        found = minimize(objective, median, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        *lengthscales, amplitude, linear, noise = np.exp(found.x)
        return cls(np.array(lengthscales), float(amplitude), float(linear), float(noise))

    def covariance(self, A_MD: Floats, B_ND: Floats) -> Floats:
        """Of the noise-free values at two sets of points, (M, N)."""
        a, b = A_MD / self.lengthscales, B_ND / self.lengthscales
        squared = np.maximum((a * a).sum(1)[:, np.newaxis] + (b * b).sum(1) - 2 * a @ b.T, 0.0)
        matern, _ = _matern(squared)
        return np.asarray(self.amplitude**2 * matern + self.linear**2 * A_MD @ B_ND.T)

    def variance(self, A_MD: Floats) -> Floats:
        """Prior variance of the noise-free values (M,)."""
        return np.asarray(self.amplitude**2 + self.linear**2 * np.square(A_MD).sum(1))


@dataclass(frozen=True)
class _Objective:
    """Negative log posterior with gradient, by the logarithms of all hyperparameters, lengthscales first."""

    gram_NN: Floats
    squares_NND: Floats
    Y_NT: Floats
    median: Floats

    def __call__(self, logarithms: Floats) -> tuple[float, Floats]:
        *lengthscales, amplitude, linear, noise = np.exp(logarithms)
        scaled_NND = self.squares_NND / np.square(lengthscales)
        matern, slope = _matern(scaled_NND.sum(2))
        matern, gram = amplitude**2 * matern, linear**2 * self.gram_NN
        num_points, num_targets = self.Y_NT.shape
        K = matern + gram + (noise**2 + _JITTER) * np.eye(num_points)
        L = np.linalg.cholesky(K)
        weights = cho_solve((L, True), self.Y_NT)
        distance = (logarithms - self.median) / _PRIOR_SD
        value = 0.5 * (self.Y_NT * weights).sum() + num_targets * np.log(np.diag(L)).sum()
        value += 0.5 * np.square(distance).sum()
        inner = num_targets * cho_solve((L, True), np.eye(num_points)) - weights @ weights.T
        of_lengths = 0.5 * amplitude**2 * np.einsum("ij,ijd->d", inner * slope, scaled_NND)
        of_rest = [(inner * matern).sum(), (inner * gram).sum(), noise**2 * np.trace(inner)]
        return float(value), np.append(of_lengths, of_rest) + distance / _PRIOR_SD


def _matern(squared: Floats) -> tuple[Floats, Floats]:
    """Matérn 5/2 by squared distance, and -2 times its derivative by that."""
    root = np.sqrt(5.0 * squared + 1e-12)
    decay = np.exp(-root)
    return (1 + root + root * root / 3) * decay, 5 / 3 * (1 + root) * decay


class GaussianProcess:
    """The posterior of T targets given N observations.

    Args:
        X_ND: Features, standardised.
        Y_NT: Targets in their own units.
        hyperparameters: Of standardised targets.
        least_sd: A target that varies less than this is taken to vary by it.

    Example:
        >>> X = np.linspace(-1, 1, 20)[:, np.newaxis]
        >>> process = GaussianProcess(X, np.sin(3 * X), Hyperparameters.fit(X, np.sin(3 * X)), least_sd=0.01)
        >>> mean, sd = process.predict(np.array([[0.5]]))
        >>> bool(abs(mean[0, 0] - np.sin(1.5)) < 2 * sd[0, 0] < 0.1)
        True
    """

    def __init__(self, X_ND: Floats, Y_NT: Floats, hyperparameters: Hyperparameters, least_sd: float) -> None:
        self._X, self._own = X_ND, hyperparameters
        self.mean_T, self.sd_T = Y_NT.mean(axis=0), Y_NT.std(axis=0) + least_sd
        K = self._own.covariance(X_ND, X_ND) + (self._own.noise**2 + _JITTER) * np.eye(len(X_ND))
        self._L = np.linalg.cholesky(K)
        self._weights = cho_solve((self._L, True), (Y_NT - self.mean_T) / self.sd_T)
        self._Y = Y_NT

    def predict(self, X_MD: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation, noise included, of what new networks will show; both (M, T)."""
        cross = self._own.covariance(X_MD, self._X)
        mean = cross @ self._weights * self.sd_T + self.mean_T
        explained = np.square(solve_triangular(self._L, cross.T, lower=True)).sum(axis=0)
        left = np.maximum(self._own.variance(X_MD) - explained, 0.0) + self._own.noise**2
        return mean, np.sqrt(left)[:, np.newaxis] * self.sd_T

    def left_out(self) -> Floats:
        """What each observation is predicted to be from all others (N, T); Rasmussen & Williams eq. 5.12."""
        inverse = cho_solve((self._L, True), np.eye(len(self._X)))
        return np.asarray(self._Y - self._weights / np.diag(inverse)[:, np.newaxis] * self.sd_T)

    def left_out_sd(self) -> Floats:
        """Standard deviation of each of these predictions, noise included (N, T); by the same equation."""
        inverse = cho_solve((self._L, True), np.eye(len(self._X)))
        return np.asarray(np.sqrt(1.0 / np.diag(inverse))[:, np.newaxis] * self.sd_T)
