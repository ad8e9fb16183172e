"""Has a real browser open the live page and a report: Chromium, through playwright-core, with axe-core's rules (both npm)."""

import json
import os
import subprocess
import tempfile

from checks import holds

DRIVE_SECONDS = 600


def run(checks, valuesim, chromium, modules):
    for script in ["drive.mjs", "report.mjs"]:
        drive(checks, script, valuesim, chromium, modules)


def drive(checks, script, valuesim, chromium, modules):
    here = os.path.dirname(os.path.abspath(__file__))
    with tempfile.TemporaryDirectory() as folder:
        command = ["node", os.path.join(here, "page", script), valuesim, chromium, folder]
        shots = os.environ.get("VALUESIM_PAGE_SHOTS")
        driven = subprocess.run(
            command + ([shots] if shots else []),
            env={**os.environ, "NODE_MODULES": modules},
            stdout=subprocess.PIPE,
            text=True,
            timeout=DRIVE_SECONDS,
        )
    for line in driven.stdout.splitlines():
        check = json.loads(line)
        with checks(check["name"]):
            holds(check["ok"], check.get("why"))
    holds(driven.returncode == 0, f"{script} ended with {driven.returncode}")
