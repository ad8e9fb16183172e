"""Estimates again what valuesim estimates, with scipy and statsmodels."""

import math

import numpy as np
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

ALPHA = 0.05
SHARE, DIFFERENCE, UNBOUNDED = (0.0, 1.0), (-1.0, 1.0), (-math.inf, math.inf)


class Sample:
    """People drawn without replacement from a population, whose size may be unknown (None)."""

    def __init__(self, people, population):
        self.people, self.population = people, population

    @property
    def is_census(self):
        return self.population is not None and self.people >= self.population

    @property
    def correction(self):
        """1 - n/N."""
        return 1.0 if self.population is None else max(0.0, 1 - self.people / self.population)

    @property
    def gain(self):
        """(N - 1) / (N - n)."""
        return 1.0 if self.population is None else (self.population - 1) / (self.population - self.people)


def mean(values, sample, bounds, alpha=ALPHA):
    """The mean of some of a sample's people, who are all or a group of it. None if there is nobody."""
    values = np.asarray(values, dtype=float)
    is_binary = bool(np.isin(values, (0, 1)).all())
    return ratio(values, np.ones(len(values)), sample, bounds, alpha, is_binary)


def ratio(parts, wholes, sample, bounds, alpha=ALPHA, is_binary=False):
    """Σ parts / Σ wholes over people, by linearisation. None if there is nobody."""
    parts, wholes = np.asarray(parts, dtype=float), np.asarray(wholes, dtype=float)
    if len(parts) == 0:
        return None
    people, estimate = len(parts), parts.sum() / wholes.sum()
    if sample.is_census:
        return described(people, estimate, 0.0, reason="everyone_was_asked")
    if people == 1:
        return described(people, estimate, None, reason="one_person")
    residuals = parts - estimate * wholes
    factor = sample.correction * sample.people / (sample.people - 1) if sample.people > 1 else sample.correction
    squares = (residuals**2).sum()
    if squares < 1e-24 * people:
        squares = 0.0
    error = math.sqrt(factor * squares) / wholes.sum()
    worth = wholes.sum() ** 2 / (wholes**2).sum() * sample.gain
    return described(people, estimate, error, **interval(estimate, error, people - 1, worth, bounds, alpha, is_binary))


def described(people, estimate, error, reason=None, kind=None, lower=None, upper=None):
    uncertainty = {"no_interval": reason} if reason else {"interval": {"lower": lower, "upper": upper, "kind": kind}}
    return {"persons": people, "mean": float(estimate), "standard_error": error, "uncertainty": uncertainty}


def interval(estimate, error, degrees, worth, bounds, alpha, is_binary):
    """Wilson's interval, Student's, the logit's, or why there is none."""
    lower, upper = bounds
    is_on_a_bound = any(math.isclose(estimate, bound, abs_tol=1e-15) for bound in bounds)
    if is_on_a_bound or is_binary and bounds == SHARE:
        share = min(1.0, max(0.0, (estimate - lower) / (upper - lower)))
        ends = proportion_confint(share * worth, worth, alpha, method="wilson")
        ends = (0.0 if share == 0 else ends[0], 1.0 if share == 1 else ends[1])
        return {"kind": "wilson"} | between(ends, bounds)
    if error == 0:
        return {"reason": "all_the_same"}
    margin = stats.t.isf(alpha / 2, degrees) * error
    if lower <= estimate - margin and estimate + margin <= upper:
        return {"kind": "student_t", "lower": estimate - margin, "upper": estimate + margin}
    width = upper - lower
    share = (estimate - lower) / width
    logit = stats.logistic.ppf(share)
    margin = margin / width / (share * (1 - share))
    return {"kind": "logit"} | between((stats.logistic.cdf(logit - margin), stats.logistic.cdf(logit + margin)), bounds)


def between(shares, bounds):
    lower, upper = (bounds[0] + share * (bounds[1] - bounds[0]) for share in shares)
    return {"lower": float(lower), "upper": float(upper)}


def paired(differences, sample):
    """t, p, and the effect size of people's differences; p is the sign test's where all differences are the same."""
    count, centre = len(differences), differences.mean()
    deviation = differences.std(ddof=1) if count > 1 else math.nan
    if sample.is_census or count < 2:
        return {"t": None, "p": None, "effect_size": None}
    if deviation < 1e-13:
        return {"t": None, "p": 1.0 if centre == 0 else 2.0 ** (1 - count), "effect_size": None}
    t = stats.ttest_1samp(differences, 0).statistic
    # A group of the sample has the spread of the whole sample's design.
    design = math.sqrt(sample.people / (sample.people - 1) / (count / (count - 1)) * sample.correction)
    t = t / design
    return {"t": t, "p": 2 * stats.t.sf(abs(t), count - 1), "effect_size": centre / deviation}
