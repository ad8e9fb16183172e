"""Judges the predictions of a run again: from `predictions.parquet`, the survey file and the codebook alone."""

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd

CODEBOOK = Path(__file__).parent.parent.parent / "shared/data/codebook.toml"
CATEGORIES = ["Core", "Hap.", "Trust", "Econ.Int", "Security", "Tech", "Mo.&Rel.", "Pol.Eng", "Demo"]


class Question:
    """An entry of the codebook, as far as scores depend on it."""

    def __init__(self, entry):
        self.category = entry["category"]
        self.options = [option["code"] for option in entry.get("options", [])]
        on_scale = sorted(set(self.options) - set(entry.get("off_scale", [])))
        is_ordered = entry["level"] in ("binary", "ordinal")
        self.scale = entry.get("scale_order", on_scale) if is_ordered else []

    def judge(self, behaviour, truth, answer):
        """What an answer counts: (correct, error), each None where it does not count."""
        if truth not in self.options:
            return None, None
        if behaviour == "paper":
            if answer is None:
                return None, None
            steps = len(self.options) - 1
            return float(answer == truth), abs(answer - truth) / steps if steps else None
        answer = answer if answer in self.options else None
        error = None
        if len(self.scale) > 1 and truth in self.scale:
            place = self.scale.index(truth)
            error = abs(self.scale.index(answer) - place) / (len(self.scale) - 1) if answer in self.scale else 1.0
        return float(answer == truth), error

    def by_chance(self, behaviour, truth):
        """What a guess among all options is expected to count."""
        if truth not in self.options:
            return None, None
        judged = [self.judge(behaviour, truth, option) for option in self.options]
        errors = [error for _, error in judged if error is not None]
        return np.mean([correct for correct, _ in judged]), np.mean(errors) if errors else None


def questions():
    entries = tomllib.loads(CODEBOOK.read_text(encoding="utf-8"))["question"]
    return {entry["id"]: Question(entry) for entry in entries}


def judged(predictions, survey, behaviour):
    """A row for each prediction, and for each guess of the arm `chance`: arm, respondent, question, category, correct, error.

    `survey` is the survey file as texts, indexed by respondent. The predictions' own truth, and what they say that they
    count, are not used.
    """
    book = questions()
    rows = predictions[["arm", "respondent", "question", "prediction"]]
    guesses = rows[rows["arm"] == rows["arm"].iloc[0]].assign(arm="chance")
    rows = pd.concat([guesses, rows], ignore_index=True)
    codes = {question: survey[question].astype(int).to_dict() for question in book}
    found = []
    for arm, respondent, question, answer in rows.itertuples(index=False, name=None):
        entry, truth = book[question], codes[question][respondent]
        if arm == "chance":
            found.append(entry.by_chance(behaviour, truth))
        else:
            found.append(entry.judge(behaviour, truth, None if pd.isna(answer) else int(answer)))
    rows["category"] = [book[question].category for question in rows["question"]]
    rows[["correct", "error"]] = np.array(found, dtype=float)
    return rows
