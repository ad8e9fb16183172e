"""Runs the method rag with the vectors of a real model, and compares what it retrieves with a computation in numpy."""

import csv
import json
import random
import subprocess
import sys
import tempfile
import tomllib
import urllib.request
from pathlib import Path

import numpy as np

from checks import equal, holds
from servers import server

HERE = Path(__file__).parent
CODEBOOK = HERE.parent.parent / "shared/data/codebook.toml"


def run(checks, valuesim):
    provider = [valuesim, "simulate-provider", "--listen", "127.0.0.1:0"]
    with server([sys.executable, str(HERE / "minilm_server.py")]) as vectors, server(provider) as model:
        with checks("rag: valuesim retrieves what numpy retrieves, with the vectors of all-MiniLM-L6-v2"):
            with tempfile.TemporaryDirectory() as folder:
                row, shown = retrieved_by_valuesim(valuesim, folder, vectors, model)
            equal(shown, retrieved_by_numpy(row, vectors), "retrieved items")
            similarities = [float(item[1]) for items in shown.values() for item in items]
            holds(len(shown) == 58 and max(similarities) > 0.6, "questions find items that are close to them")


def retrieved_by_valuesim(valuesim, folder, vectors, model):
    """The respondent's answers, and what is retrieved for each question: questions with their similarities."""

    def command(*arguments):
        done = subprocess.run([valuesim, *arguments], cwd=folder, capture_output=True, text=True, check=False)
        holds(done.returncode == 0, done.stderr)
        return done.stdout

    command("synth", "survey.csv", "--respondents", "60")
    what = ["--survey", "survey.csv", "--respondents", "7", "--folds", "1", "--methods", "rag", "--behaviour", "paper"]
    whom = ["--model", "m", "--price-unknown", "--base-url", f"{model}/v1"]
    command("run", *what, *whom, "--embeddings-model", "minilm", "--embeddings-base-url", f"{vectors}/v1")
    (run_id,) = (path.name for path in Path(folder, "runs").iterdir())
    cell = json.loads(command("show", run_id, "7", "--json"))
    with open(Path(folder, "survey.csv"), encoding="utf-8-sig") as file:
        row = list(csv.DictReader(file))[6]
    return row, {
        question["question"]: [(item["question"], item["similarity"]) for item in question["retrieved"]]
        for question in cell["questions"]
    }


def retrieved_by_numpy(row, address):
    entries = {entry["id"]: entry for entry in tomllib.loads(CODEBOOK.read_text(encoding="utf-8"))["question"]}
    order = [f"Q{number}" for number in range(1, 291)]
    random.seed(42)
    random.shuffle(order)
    held_out, kept = order[:58], order[58:]
    items = {question: text for question in kept if (text := item(entries[question], row[question]))}
    matrix = embedded(list(items.values()), address)
    questions = embedded([with_options(entries[question]) for question in held_out], address)
    lengths = np.linalg.norm(matrix, axis=1)
    best = {}
    for question, vector in zip(held_out, questions):
        similarities = matrix @ vector / (lengths * np.linalg.norm(vector))
        ranked = sorted(zip(items, similarities), key=lambda pair: pair[1], reverse=True)
        chosen = [pair for pair in ranked if pair[1] >= 0.3] or ranked
        best[question] = [(found, f"{similarity:.4f}") for found, similarity in chosen[:3]]
    return best


def item(entry, code):
    """An answer in question form, as the paper's code writes it; none for a code that is no option."""
    labels = {str(option["code"]): option["label"] for option in entry.get("options", [])}
    if labels and code not in labels:
        return None
    return "\n".join([entry["text"], *labels.values(), code])


def with_options(entry):
    lines = [f"{option['code']}: {option['label']}" for option in entry.get("options", [])]
    return "\n".join([entry["text"], "Options:", *lines]) if lines else entry["text"]


def embedded(texts, address):
    body = json.dumps({"model": "minilm", "input": texts}).encode()
    request = urllib.request.Request(f"{address}/v1/embeddings", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as response:
        return np.array([entry["embedding"] for entry in json.load(response)["data"]])
