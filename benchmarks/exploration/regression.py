"""Gaussian process regression (Rasmussen and Williams 2006, equations 2.25 and 2.42; Matern's kernel of
order 3/2): what a surrogate's space takes for the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MOST = 2000  # points on which length and noise are chosen
LENGTHS, NOISES = (2.0, 4.0, 8.0, 16.0), (0.01, 0.05, 0.1, 0.3, 1.0)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Regression:
    """The posterior mean, with what a fifth of the points, left out for the purpose, says of it: `labels` are
    theirs, and `missed` is label less prediction.
    """

    points: Floats
    weights: Floats
    coefficients: Floats
    length: float
    labels: Floats
    missed: Floats

    @classmethod
    def fit(cls, points: Floats, labels: Floats, terms: Floats | None = None) -> Regression:
        """The length and the noise that predict a fifth of the points best, then all points.

        `terms` [points, terms] get a coefficient each, by generalised least squares; `predict` leaves them
        out.
        """
        terms = np.empty((len(labels), 0)) if terms is None else terms
        order = np.random.default_rng(0).permutation(len(labels))
        some = order[:MOST]
        tried = [
            (
                float(np.mean(_missed(points[some], labels[some], terms[some], length, noise) ** 2)),
                length,
                noise,
            )
            for length in LENGTHS
            for noise in NOISES
        ]
        _, length, noise = min(tried)
        missed = _missed(points[order], labels[order], terms[order], length, noise)
        weights, coefficients = _solve(points, labels, terms, length, noise)
        return cls(points, weights, coefficients, length, labels[order[-len(missed) :]], missed)

    def predict(self, points: Floats) -> Floats:
        """[len(points)]."""
        return np.asarray(_kernel(points, self.points, self.length) @ self.weights)

    def explained(self) -> float:
        """The share of the variance of the left-out labels that is explained."""
        return 1.0 - float(np.mean(self.missed**2) / np.var(self.labels))


def _kernel(one: Floats, other: Floats, length: float) -> Floats:
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2.0 * one @ other.T
    scaled = np.sqrt(3.0 * np.maximum(squares, 0.0) / one.shape[1]) / (length / 4.0)
    return np.asarray((1.0 + scaled) * np.exp(-scaled))


def _solve(
    points: Floats, labels: Floats, terms: Floats, length: float, noise: float
) -> tuple[Floats, Floats]:
    """The weights of the points and the coefficients of the terms."""
    from scipy.linalg import cho_factor, cho_solve

    covariance = _kernel(points, points, length)
    covariance[np.diag_indices_from(covariance)] += noise
    solved = cho_solve(cho_factor(covariance, overwrite_a=True), np.column_stack([labels, terms]))
    coefficients = np.linalg.solve(terms.T @ solved[:, 1:], terms.T @ solved[:, 0])
    return solved[:, 0] - solved[:, 1:] @ coefficients, coefficients


def _missed(points: Floats, labels: Floats, terms: Floats, length: float, noise: float) -> Floats:
    """What the first four fifths of the points miss of each of the others."""
    cut = len(labels) * 4 // 5
    weights, coefficients = _solve(points[:cut], labels[:cut], terms[:cut], length, noise)
    predicted = _kernel(points[cut:], points[:cut], length) @ weights + terms[cut:] @ coefficients
    return np.asarray(labels[cut:] - predicted)
