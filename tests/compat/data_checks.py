"""Runs the examples of docs/data.md on a simulated run, and compares what they compute with its `results.json`."""

import json
import re
import subprocess
import tempfile
from pathlib import Path

import pandas as pd

from checks import holds
from results_checks import call, close, has_survey, name_of

PAGE = Path(__file__).parent.parent.parent / "docs/data.md"
EXAMPLE = re.compile(r"^```(python|r)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN = ["--users", "30", "--folds", "1,2", "--methods", "valuesim,full-info", "--weights", "W_WEIGHT", "--transcripts"]


def run(checks, valuesim):
    examples = EXAMPLE.findall(PAGE.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        call(valuesim, folder, "synth", "survey.csv", "--respondents", "400")
        call(valuesim, folder, "run", "--survey", "survey.csv", "--model", "m", "--simulate", *RUN)
        (run_folder,) = (folder / "runs").iterdir()
        for what in ("predictions", "people"):
            call(valuesim, folder, "export", run_folder.name, "--what", what, "--format", "csv", "--output", f"{what}.csv")
        expected = Expected(json.loads((run_folder / "results.json").read_text(encoding="utf-8")))
        for language, code in examples:
            if language == "r" and not has_survey():
                print("R's survey is missing: an example in R is not run (apt install r-cran-survey)", flush=True)
                continue
            code = code.replace("runs/<run id>", str(run_folder))
            library = re.search(r"^(?:import|library\()\s*(pandas|polars|duckdb|survey)", code, re.MULTILINE)
            with checks(f"data: the example with {library.group(1) if library else 'R'} computes what results.json says"):
                found = python(code) if language == "python" else r(code, folder)
                holds(expected.check(found) > 0, "the example computes something that is known")


def python(code):
    """What a block of Python defines."""
    names = {}
    exec(compile(code, str(PAGE), "exec"), names)
    return {name: value for name, value in names.items() if not name.startswith("_")}


def r(code, folder):
    """The last data frame that a block of R defines, by its name."""
    name = re.findall(r"^(\w+) <-", code, re.MULTILINE)[-1]
    script = f'options(digits = 17)\n{code}\nwrite.csv({name}, "found.csv", row.names = FALSE)\n'
    done = subprocess.run(["Rscript", "--vanilla", "-"], input=script, cwd=folder, capture_output=True, text=True, check=False)
    holds(done.returncode == 0, done.stderr)
    frame = pd.read_csv(folder / "found.csv")
    return {name: frame.set_index("arm")[frame.columns[-1]]}


class Expected:
    """What results.json says of the variables of the examples."""

    def __init__(self, results):
        self.results = results
        self.arms = {name_of(arm["arm"]): arm["score"] for arm in results["arms"]}

    def check(self, found):
        """Compares all variables that are known; returns how many numbers that were."""
        compared = 0
        for variable, value in found.items():
            known = getattr(self, variable, None)
            if known is None or not callable(known):
                continue
            for key, number in by_key(value).items():
                close(known(*key), float(number), f"{variable} of {key}")
                compared += 1
        return compared

    def accuracy(self, arm):
        return self.arms[arm]["overall"]["per_person"]["accuracy"]["mean"]

    def mae(self, arm):
        return self.arms[arm]["overall"]["per_person"]["mae"]["mean"]

    def by_category(self, arm, category):
        return self.arms[arm]["categories"][category]["per_person"]["accuracy"]["mean"]

    def pooled(self, arm):
        return self.arms[arm]["overall"]["pooled"]["accuracy"]["mean"]

    def coverage(self, arm):
        return self.arms[arm]["overall"]["coverage"]

    def weighted(self, arm):
        return self.arms[arm]["overall"]["weighted"]["means"]["accuracy"]["mean"]

    def overall(self, arm):
        """Half the width of the interval."""
        interval = self.arms[arm]["overall"]["per_person"]["accuracy"]["uncertainty"]["interval"]
        return (interval["upper"] - interval["lower"]) / 2

    def groups(self, arm, age_group):
        by = next(found for found in self.results["breakdowns"] if found["column"] == "Q262")
        group = next(found for found in by["groups"] if found["label"] == age_group)
        at = list(self.arms).index(arm)
        return group["arms"][at]["accuracy"]["mean"]

    def better(self, arm, category):
        score = self.arms[arm]["overall"] if category == "Overall" else self.arms[arm]["categories"][category]
        return score["per_person"]["accuracy"]["mean"]

    def tokens(self, stage):
        """Mean input tokens of the calls of a stage that were answered."""
        totals = self.results["spend"][0]["stages"][stage]
        return totals["input_tokens"] / totals["answered"]


# The columns that name a row, and the one that is compared.
FRAMES = {
    "accuracy": ("arm", "correct"),
    "groups": ("arm", "age_group", "accuracy"),
    "better": ("arm", "category", "estimate"),
    "tokens": ("stage", "input_tokens"),
}


def by_key(value):
    """A Series, or a frame with one of the known sets of columns, as numbers by key."""
    if hasattr(value, "to_dicts"):
        rows = value.to_dicts()
    elif hasattr(value, "columns"):
        if "half_width" in value.columns:
            return {(arm,): number for arm, number in value["half_width"].items()}
        rows = value.to_dict("records")
    else:
        return {key if isinstance(key, tuple) else (key,): number for key, number in value.items()}
    (columns,) = [columns for columns in FRAMES.values() if rows and set(columns) <= set(rows[0])]
    return {tuple(row[column] for column in columns[:-1]): row[columns[-1]] for row in rows}
