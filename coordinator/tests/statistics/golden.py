"""Computes golden.json: what scipy, statsmodels, mpmath and R's survey say of samples that the Rust tests read with it.

    pip install numpy==2.4.6 scipy==1.17.1 statsmodels==0.15.0 mpmath==1.4.1     # in a virtual environment
    apt install r-cran-survey r-cran-jsonlite
    python golden.py golden.json            # writes the file
    python golden.py --check golden.json    # fails if the file says anything else to 1e-12
"""

import json
import math
import subprocess
import sys
from pathlib import Path

import mpmath
import numpy as np
import scipy
import statsmodels
from scipy import stats
from scipy.spatial.distance import jensenshannon
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

mpmath.mp.dps = 40
RANDOM = np.random.default_rng(20260101)


def numbers(values, digits=6):
    return [round(float(value), digits) for value in values]


def sample(people, population, weighted):
    """Skewed scores from 0 to 1, right answers of counted ones, weights, and who is in the group.

    The plain interval of the smallest samples leaves 0 to 1.
    """
    shape = 2 if people > 5 else 0.5
    wholes = RANDOM.integers(5, 290, people)
    return {
        "population": population,
        "scores": numbers(RANDOM.beta(shape, 5, people)),
        "parts": [int(part) for part in RANDOM.binomial(wholes, 0.4)],
        "wholes": [int(whole) for whole in wholes],
        "weights": numbers(RANDOM.lognormal(0, 0.6, people)) if weighted else [1] * people,
        "groups": [int(place % 3 == 0) for place in range(people)],
    }


def stratified():
    """Samples from each of several strata: alike shares, and alike numbers; all of the people of one stratum."""
    sizes = [
        ((4, 2, 2), (400, 200, 250)),
        ((20, 20, 20, 20), (90, 1500, 20, 700)),
        ((150, 60, 90), (31000, 900, 9000)),
    ]
    cases = []
    for people, populations in sizes:
        for weighted in (False, True):
            one = sample(sum(people), None, weighted)
            strata = [stratum for stratum, count in enumerate(people) for _ in range(count)]
            scores = [min(1, score + stratum / 10) for score, stratum in zip(one["scores"], strata)]
            one |= {"scores": numbers(scores), "strata": strata, "populations": populations}
            cases.append(one)
    return cases


def survey(samples):
    script = Path(__file__).with_name("survey.R")
    found = subprocess.run(
        ["Rscript", "--vanilla", script], input=json.dumps(samples), stdout=subprocess.PIPE, text=True, check=True
    )
    answer = json.loads(found.stdout)
    for one, expected in zip(samples, answer["found"]):
        weights = np.array(one["weights"])
        one["effective"] = float(weights.sum() ** 2 / (weights**2).sum())
        one["found"] = expected
    return answer["versions"], samples


def plain():
    sizes = [(5, None), (12, None), (12, 40), (50, 97220), (300, None), (300, 500), (400, 97220)]
    samples = [sample(people, population, weighted) for people, population in sizes for weighted in (False, True)]
    versions, found = survey(samples)
    for one in found:
        if one["population"] is None and set(one["weights"]) == {1}:
            agree_with_scipy(one)
    return versions, found


def agree_with_scipy(one):
    """R and Python must say the same of a plain mean before either is believed."""
    scores = np.array(one["scores"])
    lower, upper = stats.t.interval(0.95, len(scores) - 1, loc=scores.mean(), scale=stats.sem(scores))
    lower_too, upper_too = DescrStatsW(scores).tconfint_mean(0.05)
    for found, expected in ((lower, one["found"]["mean"]["lower"]), (upper, one["found"]["mean"]["upper"])):
        assert math.isclose(found, expected, rel_tol=1e-12), (found, expected)
    assert math.isclose(lower, lower_too, rel_tol=1e-12) and math.isclose(upper, upper_too, rel_tol=1e-12)


def tail(t, degrees):
    """P(T > t) with 40 digits: scipy keeps 12 of p values far out with many degrees of freedom."""
    t, degrees = mpmath.mpf(t), mpmath.mpf(degrees)
    inside = degrees / (degrees + t * t)
    return float(mpmath.betainc(degrees / 2, mpmath.mpf(1) / 2, 0, inside, regularized=True) / 2)


def tails():
    places = [(t, degrees) for t in (0.001, 0.5, 1.5, 2, 4, 8, 20, 35) for degrees in (1, 2, 4.25, 11, 99, 1999, 97219)]
    rows = [{"t": t, "degrees": degrees, "tail": tail(t, degrees)} for t, degrees in places]
    for row in rows:
        assert math.isclose(row["tail"], stats.t.sf(row["t"], row["degrees"]), rel_tol=1e-8), row
    return [row for row in rows if row["tail"] > 1e-290]


def quantiles():
    levels = [0.25, 0.025, 0.05 / 2 / 7, 0.05 / 2 / 40, 1e-6]
    return [
        {"tail": level, "degrees": degrees, "t": float(stats.t.isf(level, degrees))}
        for level in levels
        for degrees in (1, 2, 7.5, 30, 500, 97219)
    ]


def differences():
    """Paired differences: few and many, with ties and zeros, and so clear that p is far below 1e-10."""
    clean = [numbers(RANDOM.normal(mean, 0.1, people)) for people, mean in ((5, 0.05), (12, 0.03), (50, 0.02), (51, 0.0))]
    tied = [numbers(RANDOM.integers(-4, 7, people) / 20) for people in (9, 13, 14, 60, 400)]
    clear = [numbers(RANDOM.normal(0.1, 0.08, 300)), numbers(RANDOM.normal(0.05, 0.07, 800))]
    return clean + tied + clear


def paired(values, population):
    x = np.array(values)
    n = len(x)
    correction = 1 if population is None else 1 - n / population
    error = math.sqrt(x.var(ddof=1) / n * correction)
    t = x.mean() / error
    margin = stats.t.ppf(0.975, n - 1) * error
    if population is None:
        assert math.isclose(t, stats.ttest_rel(x, np.zeros(n)).statistic, rel_tol=1e-11)
    wilcoxon = stats.wilcoxon(x)
    d_z = x.mean() / x.std(ddof=1)
    half = (n - 1) / 2
    hedges = mpmath.gamma(half) / (mpmath.sqrt(half) * mpmath.gamma(half - 0.5))
    return {
        "differences": values,
        "population": population,
        "mean": float(x.mean()),
        "standard_error": error,
        "t": float(t),
        "p": 2 * tail(abs(t), n - 1),
        "lower": float(x.mean() - margin),
        "upper": float(x.mean() + margin),
        "statistic": float(wilcoxon.statistic),
        "wilcoxon_p": float(wilcoxon.pvalue),
        "d_z": float(d_z),
        "g_z": float(d_z * hedges),
    }


def welch():
    groups = [
        (numbers(RANDOM.beta(2, 5, one)), numbers(RANDOM.beta(shape, 5, other)))
        for one, other, shape in ((12, 30, 2), (40, 500, 3), (900, 2000, 2.2))
    ]
    rows = []
    for one, other in groups:
        found = stats.ttest_ind(one, other, equal_var=False)
        p = 2 * tail(abs(found.statistic), found.df)
        rows.append({"one": one, "other": other, "t": float(found.statistic), "degrees": float(found.df), "p": p})
    return rows


def holm():
    families = [[0.01, 0.04, 0.03, 0.005], [0.04], numbers(RANDOM.uniform(0, 0.1, 12)), [1e-30, 1e-12, 0.02, 0.9, 0.02]]
    return [{"p": p, "adjusted": [float(q) for q in multipletests(p, method="holm")[1]]} for p in families]


def wilson():
    counts = [(0, 12), (1, 12), (12, 12), (7, 30), (399, 400)]
    rows = []
    for yes, people in counts:
        lower, upper = proportion_confint(yes, people, method="wilson")
        rows.append({"yes": yes, "people": people, "lower": max(0.0, float(lower)), "upper": min(1.0, float(upper))})
    return rows


def power():
    rows = []
    for people, difference, deviation in ((2, 1.0, 0.3), (10, 0.05, 0.1), (30, 0.02, 0.05), (500, 0.01, 0.08), (2000, 0.01, 0.2)):
        effect = difference / deviation
        power_of_difference = float(TTestPower().power(effect, people, 0.05))
        exact = beyond(mpmath.mpf(effect) * mpmath.sqrt(people), people - 1)
        assert math.isclose(power_of_difference, exact, rel_tol=1e-13), (power_of_difference, exact)
        rows.append(
            {
                "people": people,
                "difference": difference,
                "deviation": deviation,
                "power": power_of_difference,
                "smallest": smallest_effect(people) * deviation,
                "needed": math.ceil(TTestPower().solve_power(effect, None, 0.05, 0.8)),
            }
        )
    return rows


def beyond(noncentrality, degrees):
    """The power of a t test, both tails, as the mean over the sample's standard deviation, with 20 digits."""
    half = mpmath.mpf(degrees) / 2
    tails_at = lambda t: mpmath.betainc(half, mpmath.mpf(1) / 2, 0, degrees / (degrees + t * t), regularized=True)
    critical = mpmath.findroot(lambda t: tails_at(t) - mpmath.mpf("0.05"), stats.t.isf(0.025, degrees))
    scale = mpmath.log(2) + half * mpmath.log(half) - mpmath.loggamma(half)

    def integrand(s):
        density = mpmath.exp(scale + (degrees - 1) * mpmath.log(s) - half * s * s)
        return density * (mpmath.ncdf(noncentrality - critical * s) + mpmath.ncdf(-noncentrality - critical * s))

    # The density is within some standard deviations of 1, for few degrees spread down to 0.
    deviation = 1 / mpmath.sqrt(2 * degrees)
    places = [1 + deviation * step for step in (-14, -8, -4, -2, -1, 0, 1, 2, 4, 8, 14)]
    near_zero = [mpmath.mpf(place) / 20 for place in (0, 1, 2, 4, 6, 8, 12, 16)] if degrees < 5 else [0]
    return mpmath.quad(integrand, sorted(set(near_zero) | {place for place in places if place > 0}))


def smallest_effect(people):
    """With mpmath: solve_power of statsmodels is up to 2e-5 off, and scipy's noncentral t fails for two people."""
    start = TTestPower().solve_power(None, people, 0.05, 0.8) * math.sqrt(people)
    found = mpmath.findroot(lambda noncentrality: beyond(noncentrality, people - 1) - mpmath.mpf("0.8"), start)
    return float(found / mpmath.sqrt(people))


def distances():
    rows = []
    for options in (2, 4, 10):
        for _ in range(4):
            positions = [place / (options - 1) for place in range(options)]
            one, other = ([int(count) for count in RANDOM.integers(1, 60, options)] for _ in range(2))
            one[0] = 0
            rows.append(
                {
                    "positions": positions,
                    "one": one,
                    "other": other,
                    "wasserstein": float(stats.wasserstein_distance(positions, positions, one, other)),
                    "jensen_shannon": float(jensenshannon(one, other, base=2)),
                    "variance_ratio": float(variance(positions, one) / variance(positions, other)),
                }
            )
    return rows


def variance(positions, counts):
    return DescrStatsW(np.array(positions), weights=np.array(counts, dtype=float), ddof=0).var


def golden():
    r_versions, samples = plain()
    versions = {"numpy": np.__version__, "scipy": scipy.__version__, "statsmodels": statsmodels.__version__} | r_versions
    populations = (None, 97220)
    return {
        "versions": versions,
        "samples": samples,
        "tails": tails(),
        "quantiles": quantiles(),
        "paired": [paired(values, population) for values in differences() for population in populations],
        "welch": welch(),
        "holm": holm(),
        "wilson": wilson(),
        "power": power(),
        "distances": distances(),
        "strata": survey(stratified())[1],
    }


def agree(found, expected, place):
    """Whether two values are the same, numbers to 1e-12 and beyond 1e-10 to 1e-9 relative; versions may differ."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), place
        for key in expected:
            if key != "versions":
                agree(found[key], expected[key], f"{place}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), place
        for index, pair in enumerate(zip(found, expected)):
            agree(*pair, f"{place}[{index}]")
    elif isinstance(expected, float):
        is_close = math.isclose(found, expected, rel_tol=1e-9 if abs(expected) < 1e-10 else 1e-12, abs_tol=1e-300)
        assert is_close, f"{place}: {found} is not {expected}"
    else:
        assert found == expected, f"{place}: {found} is not {expected}"


def main(arguments):
    if arguments[0] == "--check":
        agree(golden(), json.loads(Path(arguments[1]).read_text()), "golden")
        print("golden.json is what scipy, statsmodels, mpmath and survey say")
    else:
        Path(arguments[0]).write_text(json.dumps(golden(), indent=None, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
