"""Runs `valuesim run` with aimock as its provider: without faults, with wrong keys, and with chaos."""

import json
import os
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from checks import equal, holds
from servers import server

FIXTURES = Path(__file__).with_name("aimock")
RUN_SECONDS = 120

# What aimock/answers.json yields for the 54 questions of fold 1 that are asked: one is answered only after a reminder, one refused,
# one cut off, and one too long.
QUESTIONS = 54
ENDINGS = {"answered": 50, "answered after a reminder": 1, "refused": 1, "cut off": 1, "too long": 1}
CALLS = {
    "story": 1,
    "cognitive": QUESTIONS + 1,
    "affective": QUESTIONS + 1,
    "behavioral": QUESTIONS + 1,
    # Asked when modules disagree, which is the case whenever they answer without a reminder.
    "coordinator": ENDINGS["answered"],
    "full_info": QUESTIONS + 1,
}
TOO_LONG = 4


class Aimock:
    """A running aimock and its controls."""

    def __init__(self, address):
        self.address = address

    def ask(self, path, method="GET", body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}/__aimock{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def journal(self, query=""):
        """The completion requests that it has received."""
        return self.ask(f"/journal?path=/v1/chat/completions{query}")

    def chaos(self, **rates):
        self.ask("/chaos", "POST", rates)

    def stop_chaos(self):
        self.ask("/chaos", "DELETE")


class Run:
    """`valuesim run` of one respondent and one fold, in a separate folder."""

    def __init__(self, valuesim, base_url, folder, *flags, key=None, model="gpt-3.5-turbo"):
        command = [valuesim, "run", "--synthetic", "50", "--users", "1", "--folds", "1", "--json"]
        command += ["--model", model, "--price-unknown", "--base-url", base_url, "--runs", folder, *flags]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("VALUESIM_")}
        if key is not None:
            command += ["--api-key-env", "COMPAT_KEY"]
            environment["COMPAT_KEY"] = key
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def finish(self):
        """Waits for the end, and keeps the exit code, the events and standard error."""
        try:
            out, self.errors = self.process.communicate(timeout=RUN_SECONDS)
        finally:
            self.process.kill()
        self.events = [json.loads(line) for line in out.splitlines()]
        return self

    @property
    def exit_code(self):
        return self.process.returncode

    @property
    def results(self):
        equal(self.exit_code, 0, f"the exit code (stderr: {self.errors})")
        equal(self.events[-1]["event"], "finished", "the last event")
        return self.events[-1]["results"]

    def endings(self):
        """The counts of how predictions ended, by method."""
        arms = [results for results in self.results["arms"] if results["arm"]["model"]]
        return {results["arm"]["method"]: without_zeros(results["score"]["endings"]) for results in arms}

    def calls(self, field):
        """One total of all calls, by stage."""
        (spend,) = self.results["spend"]
        return {stage: totals[field] for stage, totals in spend["stages"].items()}

    def total(self, field):
        return sum(self.calls(field).values())


def without_zeros(counts):
    return {name: count for name, count in counts.items() if count}


def run(checks, valuesim, aimock):
    # Port 0 selects a free port; the journal keeps every request.
    command = [aimock, "-p", "0", "-h", "127.0.0.1", "-f", str(FIXTURES), "--journal-max", "0", "--validate-on-load"]
    for check in (without_faults, rate_limits, all_kinds_of_faults):
        with server(command) as address, tempfile.TemporaryDirectory() as folder:
            check(checks, valuesim, Aimock(address), folder)
    with server(command, {"AIMOCK_API_KEYS": "right"}) as address, tempfile.TemporaryDirectory() as folder:
        keys(checks, valuesim, address, folder)


def without_faults(checks, valuesim, aimock, folder):
    done = Run(valuesim, f"{aimock.address}/v1", folder).finish()
    journal = aimock.journal()
    with checks("aimock: a run finishes"):
        equal(done.results["cells_finished"], 1, "cells finished")
    with checks("aimock: every prediction ends as the fixtures imply"):
        equal(done.endings(), {"valuesim": ENDINGS, "full-info": ENDINGS}, "endings")
    with checks("aimock: every call that it received is counted by stage"):
        equal(done.calls("requests"), CALLS, "requests")
        equal(len(journal), sum(CALLS.values()), "requests in its journal")
        equal(done.total("failed"), TOO_LONG, "failed calls")
    with checks("aimock: tokens equal those that it reported"):
        used = [entry["response"]["fixture"]["response"].get("usage", {}) for entry in journal]
        for field, name in (("input_tokens", "prompt_tokens"), ("output_tokens", "completion_tokens")):
            equal(done.total(field), sum(usage.get(name, 0) for usage in used), field)
    with checks("aimock: the model name in its replies is reported"):
        equal([spend["reported_models"] for spend in done.results["spend"]], [["gpt-3.5-turbo"]], "reported models")
    with checks("aimock: requests contain only the method's fields and roles"):
        bodies = [entry["body"] for entry in journal]
        # aimock adds the kind of endpoint to the fields that were sent.
        fields = {tuple(sorted(name for name in body if not name.startswith("_"))) for body in bodies}
        equal(fields, {("messages", "model", "temperature")}, "fields")
        equal({body["temperature"] for body in bodies}, {0}, "temperatures")
        first, reminded = ("user",), ("user", "assistant", "user")
        roles = {tuple(message["role"] for message in body["messages"]) for body in bodies}
        equal(roles, {first, reminded}, "roles")


def rate_limits(checks, valuesim, aimock, folder):
    with checks("aimock: a run survives a period in which every call exceeds the rate limit"):
        aimock.chaos(rateLimitRate=1)
        running = Run(valuesim, f"{aimock.address}/v1", folder)
        try:
            await_refusals(aimock, running)
            aimock.stop_chaos()
        finally:
            running.finish()
        equal(running.results["cells_finished"], 1, "cells finished")
        equal(running.endings(), {"valuesim": ENDINGS, "full-info": ENDINGS}, "endings")
    with checks("aimock: refused calls are counted as failed, and only these"):
        refused = len(aimock.journal("&status=429"))
        holds(refused >= 2, "at least two calls were refused")
        equal(running.total("failed"), refused + TOO_LONG, "failed calls")
        equal(running.total("requests"), sum(CALLS.values()) + refused, "requests")
    with checks("aimock: its Retry-After is obeyed"):
        # At first only one story can be requested, so the refusals come one after the other.
        times = [entry["timestamp"] / 1000 for entry in aimock.journal("&status=429")]
        pauses = [later - earlier for earlier, later in zip(times, times[1:])]
        holds(pauses and min(pauses) >= 0.95, f"at least a second between any two: {pauses}")


def await_refusals(aimock, running):
    """Waits until two calls were refused, or the run has ended."""
    while running.process.poll() is None:
        if len(aimock.journal("&status=429")) >= 2:
            return
        time.sleep(0.1)


def all_kinds_of_faults(checks, valuesim, aimock, folder):
    with checks("aimock: a run survives errors, malformed answers, cut connections and rate limits"):
        aimock.chaos(dropRate=0.1, malformedRate=0.02, disconnectRate=0.1, rateLimitRate=0.1)
        done = Run(valuesim, f"{aimock.address}/v1", folder).finish()
        equal(done.endings(), {"valuesim": ENDINGS, "full-info": ENDINGS}, "endings")
    with checks("aimock: every attempt is counted"):
        journal = aimock.journal()
        faulty = [entry for entry in journal if "chaosAction" in entry["response"]]
        holds(faulty, "there was chaos")
        equal(done.total("requests"), len(journal), "requests")
        equal(done.total("failed"), len(faulty) + TOO_LONG, "failed calls")
        equal(done.total("answered"), sum(CALLS.values()) - TOO_LONG, "answered calls")


def keys(checks, valuesim, address, folder):
    with checks("aimock: a wrong key ends the run at once, with the exit code for usage"):
        wrong = Run(valuesim, f"{address}/v1", folder, key="wrong").finish()
        equal(wrong.exit_code, 2, f"the exit code (stderr: {wrong.errors})")
        holds("refused the key" in wrong.errors and "Invalid API key" in wrong.errors, f"the reason: {wrong.errors}")
    with checks("aimock: with the right key the same run finishes"):
        right = Run(valuesim, f"{address}/v1", folder, key="right").finish()
        equal(right.endings(), {"valuesim": ENDINGS, "full-info": ENDINGS}, "endings")
