"""Computes what `results.json` says again, from the predictions file and the survey file of simulated runs.

Scores, intervals, tests, weighted means and groups, with pandas, scipy and statsmodels; weighted means and groups also with R's
`survey` where it is installed.
"""

import json
import math
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

import estimated_again as again
from checks import equal, holds
from scored_again import CATEGORIES, judged

SURVEY_PEOPLE = 400
MEASURES = {"accuracy": "correct", "mae": "error"}
MIN_PEOPLE = 10

# What each run tries: weights and groups; the paper's way to count; everyone asked; too few for a verdict; no population.
RUNS = {
    "weights": ["--users", "60", "--methods", "valuesim,full-info,no-cab", "--weights", "W_WEIGHT", "--by", "G_TOWNSIZE"],
    "paper": ["--users", "25", "--methods", "full-info,no-cab", "--behaviour", "paper", "--folds", "1,2"],
    "census": ["--countries", "AND", "--users", "all", "--methods", "full-info", "--folds", "3"],
    "few": ["--users", "6", "--methods", "full-info", "--folds", "4", "--weights", "S018"],
    "listed": ["--respondents", ",".join(str(row) for row in range(5, 400, 10)), "--folds", "1,5", "--methods", "full-info,no-cab"],
}


def run(checks, valuesim):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        survey_file = folder / "survey.csv"
        call(valuesim, folder, "synth", survey_file.name, "--respondents", str(SURVEY_PEOPLE))
        survey = read_survey(survey_file)
        for name, flags in RUNS.items():
            call(valuesim, folder, "run", "--survey", survey_file.name, "--model", "m", "--simulate", "--runs", name, *flags)
            (run_folder,) = (folder / name).iterdir()
            check_run(checks, name, Recomputed(run_folder, survey))


def call(valuesim, folder, *arguments):
    done = subprocess.run([valuesim, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    holds(done.returncode == 0, done.stderr)


def has_survey():
    """Whether R and its `survey` are installed."""
    if not shutil.which("Rscript"):
        return False
    code = "library(survey); library(jsonlite)"
    return subprocess.run(["Rscript", "--vanilla", "-e", code], capture_output=True, check=False).returncode == 0


def read_survey(file):
    """The survey file as texts, indexed by the number of the row from 1."""
    survey = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    return survey.set_index(pd.RangeIndex(1, len(survey) + 1))


def check_run(checks, name, run):
    with checks(f"results, {name}: columns `counted`, `correct` and `error` are what the survey and the codebook give"):
        check_columns(run)
    with checks(f"results, {name}: scores with intervals, per person, pooled and weighted, equal scipy's"):
        for arm in run.results["arms"]:
            check_scores(run, arm)
    with checks(f"results, {name}: paired tests, effect sizes and Holm's correction equal scipy's and statsmodels'"):
        check_comparisons(run)
    with checks(f"results, {name}: groups of people equal scipy's"):
        check_groups(run)
    if run.results["weights"] and has_survey():
        with checks(f"results, {name}: weighted means and groups equal R's survey"):
            check_with_r(run)


class Recomputed:
    """A run with each person's scores, computed again."""

    def __init__(self, folder, survey):
        self.results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        self.predictions = pd.read_parquet(folder / "predictions.parquet")
        self.survey = survey
        self.judged = judged(self.predictions, survey, self.results["behaviour"])
        self.people = sorted(self.judged["respondent"].unique())
        population = self.results["population"]
        self.population = None if population == "unlimited" else population["finite"]
        self.sample = again.Sample(len(self.people), self.population)
        self.is_bounded = self.results["behaviour"] == "corrected"
        grouped = self.judged.assign(category="Overall"), self.judged
        by = pd.concat(grouped).groupby(["arm", "category", "respondent"])
        self.sums, self.counts = by[["correct", "error"]].sum(), by[["correct", "error"]].count()
        self.known = set(self.sums.index.droplevel("respondent"))

    def scores(self, arm, category, measure):
        """Each person's sum and number of what counts, of those with any: indexed by respondent."""
        column = MEASURES[measure]
        if (arm, category) not in self.known:
            return (pd.Series(dtype=float),) * 2
        parts, wholes = (table.loc[(arm, category)][column] for table in (self.sums, self.counts))
        return parts[wholes > 0], wholes[wholes > 0]

    def bounds(self, measure):
        return again.SHARE if measure == "accuracy" or self.is_bounded else again.UNBOUNDED

    def difference_bounds(self, measure):
        return again.DIFFERENCE if measure == "accuracy" or self.is_bounded else again.UNBOUNDED

    def weights(self):
        return self.survey[self.results["weights"]].astype(float)


def name_of(arm):
    return arm["method"] if arm["model"] is None else f"{arm['method']} / {arm['model']}"


def check_columns(run):
    found, expected = run.predictions, run.judged[run.judged["arm"] != "chance"].reset_index(drop=True)
    for column in ("correct", "error"):
        same = np.isclose(found[column].astype(float), expected[column], rtol=0, atol=1e-15, equal_nan=True)
        holds(same.all(), f"{column} in all {len(found)} rows")
    equal(list(found["counted"]), list(expected["correct"].notna()), "counted")


def check_scores(run, arm):
    name = name_of(arm["arm"])
    for category in ["Overall", *CATEGORIES]:
        score = arm["score"]["overall"] if category == "Overall" else arm["score"]["categories"][category]
        place = f"{name}, {category}"
        for measure in MEASURES:
            parts, wholes = run.scores(name, category, measure)
            bounds = run.bounds(measure)
            close(score["per_person"][measure], again.mean(parts / wholes, run.sample, bounds), f"{place}, {measure}")
            pooled = again.ratio(parts, wholes, run.sample, bounds)
            close(score["pooled"][measure], pooled, f"{place}, pooled {measure}")
            equal(score["counted" if measure == "accuracy" else "measured"], int(wholes.sum()), f"{place}, count")
            if run.results["weights"] and score["weighted"]:
                check_weighted(run, score["weighted"], measure, parts / wholes, place)


def check_weighted(run, weighted, measure, scores, place):
    weights = run.weights()[scores.index]
    weights = weights[weights > 0]
    found = again.ratio(weights * scores[weights.index], weights, run.sample, run.bounds(measure))
    close(weighted["means"][measure], found, f"{place}, weighted {measure}")
    if measure == "accuracy":
        effective = weights.sum() ** 2 / (weights**2).sum()
        close(weighted["effective_persons"], effective, f"{place}, effective persons")


def check_comparisons(run):
    for measure in MEASURES:
        comparisons = [found for found in run.results["comparisons"] if found["measure"] == measure]
        tests = [tested_again(run, comparison) for comparison in comparisons]
        family = [at for at, test in enumerate(tests) if test["p"] is not None and test["persons"] >= MIN_PEOPLE]
        adjusted = multipletests([tests[at]["p"] for at in family], method="holm")[1] if family else []
        holm = dict(zip(family, adjusted))
        for at, (comparison, test) in enumerate(zip(comparisons, tests)):
            check_comparison(comparison, test, holm.get(at))


def tested_again(run, comparison):
    category, measure = comparison["category"] or "Overall", comparison["measure"]
    (parts, wholes), (other_parts, other_wholes) = (
        run.scores(name_of(comparison[side]), category, measure) for side in ("arm", "against")
    )
    differences = (parts / wholes - other_parts / other_wholes).dropna()
    estimate = again.mean(differences, run.sample, run.difference_bounds(measure))
    return estimate | again.paired(differences, run.sample)


def check_comparison(comparison, test, p_holm):
    place = f"{name_of(comparison['arm'])} against {name_of(comparison['against'])}, {comparison['category']}"
    equal(comparison["persons"], test["persons"], f"{place}, persons")
    close(comparison["difference"], test["mean"], f"{place}, difference")
    close(comparison["uncertainty"], test["uncertainty"], f"{place}, interval")
    found = comparison["test"]
    equal(found is None, p_holm is None, f"{place}, whether there is a test")
    if found:
        for key in ("t", "effect_size"):
            close(found[key], test[key], f"{place}, {key}")
        close_p(found["p"], test["p"], f"{place}, p")
        close_p(found["p_holm"], p_holm, f"{place}, p after Holm")
    equal(comparison["verdict"], verdict(comparison, test, p_holm), f"{place}, verdict")


def verdict(comparison, test, p_holm):
    if test["persons"] < MIN_PEOPLE:
        return "too_few_people"
    is_census = test["uncertainty"].get("no_interval") == "everyone_was_asked"
    gain = test["mean"] if comparison["measure"] == "accuracy" else -test["mean"]
    if gain == 0 or not (is_census or (p_holm is not None and p_holm <= again.ALPHA)):
        return "not_distinguishable"
    return "better" if gain > 0 else "worse"


def check_groups(run):
    equal(len(run.results["breakdowns"]) > 3, True, "there are breakdowns")
    for breakdown in run.results["breakdowns"]:
        groups = groups_of(run, breakdown["column"])
        for group in breakdown["groups"]:
            check_group(run, group, groups, breakdown["column"])


AGES = [0, 25, 35, 45, 55, 65, 1000]


def groups_of(run, column):
    """Each respondent's group, as `results.json` names its value; none where the file has no value."""
    if column == "B_COUNTRY":
        return run.survey["B_COUNTRY_ALPHA"]
    values = run.survey[column]
    numbers = pd.to_numeric(values, errors="coerce")
    if column == "Q262":
        return pd.cut(numbers.where(numbers >= 0), AGES, right=False, labels=[str(age) for age in AGES[:-1]])
    return values.where(~(numbers < 0) & (values.str.strip() != ""))


def check_group(run, group, groups, column):
    everyone = groups.index[groups == group["value"]]
    asked = everyone.intersection(pd.Index(run.people))
    drawn_from = drawn_from_of(run)
    equal(group["persons"], len(asked), f"people of {column} {group['value']}")
    population = None if drawn_from is None else len(everyone.intersection(drawn_from))
    equal(group["population"], population, f"population of {column} {group['value']}")
    sample = again.Sample(len(asked), population)
    for arm, found in zip(run.results["arms"], group["arms"]):
        for measure in MEASURES:
            parts, wholes = run.scores(name_of(arm["arm"]), "Overall", measure)
            scores = (parts / wholes)[parts.index.intersection(asked)]
            expected = again.mean(scores, sample, run.bounds(measure))
            close(found[measure], expected, f"{column} {group['value']}, {name_of(arm['arm'])}, {measure}")


def drawn_from_of(run):
    """Everybody from whom the sample was drawn; none where that is not one population."""
    if run.population is None:
        return None
    countries = [fact.split(" respondents of ")[1] for fact in run.results["facts"] if " respondents of " in fact]
    if not countries:
        return run.survey.index
    return run.survey.index[run.survey["B_COUNTRY_ALPHA"].isin(countries[0].split(", "))]


def check_with_r(run):
    """R computes each arm's weighted mean, and the mean of each country with a sample of its own."""
    samples, places = [], []
    groups = next(found for found in run.results["breakdowns"] if found["column"] == "B_COUNTRY")["groups"]
    for at, arm in enumerate(run.results["arms"]):
        parts, wholes = run.scores(name_of(arm["arm"]), "Overall", "accuracy")
        scores, weights = parts / wholes, run.weights()
        weighted = arm["score"]["overall"]["weighted"]["means"]["accuracy"]
        samples.append(sample_for_r(scores, weights[scores.index], run.population))
        places.append((weighted, f"{name_of(arm['arm'])}, weighted"))
        for group in groups:
            people = scores.index[run.survey["B_COUNTRY_ALPHA"][scores.index] == group["value"]]
            if 2 <= len(people) < group["population"]:
                samples.append(sample_for_r(scores[people], pd.Series(1.0, people), group["population"]))
                places.append((group["arms"][at]["accuracy"], f"{name_of(arm['arm'])}, {group['value']}"))
    script = Path(__file__).with_name("survey.R")
    found = subprocess.run(
        ["Rscript", "--vanilla", script], input=json.dumps(samples), capture_output=True, text=True, check=False
    )
    holds(found.returncode == 0, found.stderr)
    for (expected, place), answer in zip(places, json.loads(found.stdout), strict=True):
        close(expected["mean"], answer["mean"], f"{place}, mean")
        close(expected["standard_error"], answer["standard_error"], f"{place}, standard error")
        interval = expected["uncertainty"]["interval"]
        if interval["kind"] == "student_t":
            close([interval["lower"], interval["upper"]], [answer["lower"], answer["upper"]], f"{place}, interval")


def sample_for_r(scores, weights, population):
    return {"scores": list(scores), "weights": list(weights), "population": population}


def close_p(found, expected, place):
    """Whether both p values are the same to 1e-12, those below 1e-10 to 1e-9 of their own size."""
    far_out = {"rel_tol": 1e-9, "abs_tol": 1e-300} if expected < 1e-10 else {"rel_tol": 0, "abs_tol": 1e-12}
    holds(math.isclose(found, expected, **far_out), f"{place}: {found} is {expected}")


def close(found, expected, place):
    """Whether both are the same, numbers to 1e-12."""
    if isinstance(expected, dict):
        equal(sorted(found), sorted(expected), f"{place}: keys")
        for key in expected:
            close(found[key], expected[key], f"{place}, {key}")
    elif isinstance(expected, list):
        for one, other in zip(found, expected, strict=True):
            close(one, other, place)
    elif isinstance(expected, float) and found is not None:
        holds(math.isclose(found, expected, rel_tol=1e-12, abs_tol=1e-12), f"{place}: {found} is {expected}")
    else:
        equal(found, expected, place)
