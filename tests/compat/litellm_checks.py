"""Runs `valuesim run` through LiteLLM's proxy, which calls the simulated provider: without faults, with a wrong key, with a model that
it does not know, and with a provider that fails."""

import json
import socket
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from aimock_checks import Run
from checks import equal, holds
from servers import server

KEY = "sk-compat-master"
START_SECONDS = 120
ENVIRONMENT = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_COLOR": "1"}

# Nothing that a user would notice, nothing that is sent elsewhere.
CONFIG = """
model_list:
  - model_name: gpt-3.5-turbo
    litellm_params: {{model: openai/m, api_base: "{provider}/v1", api_key: sk-of-the-provider}}
general_settings: {{master_key: {key}}}
litellm_settings: {{num_retries: 0, telemetry: false}}
"""


def stats(provider):
    with urllib.request.urlopen(f"{provider}/stats", timeout=30) as response:
        return json.load(response)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def proxy(valuesim, litellm, *flags):
    """LiteLLM's proxy in front of a simulated provider; yields the addresses of both."""
    with server([valuesim, "simulate-provider", "--listen", "127.0.0.1:0", *flags]) as said, tempfile.TemporaryDirectory() as folder:
        provider = said.removesuffix("/v1")
        config = Path(folder) / "config.yaml"
        config.write_text(CONFIG.format(provider=provider, key=KEY))
        port = str(free_port())
        with server([litellm, "--config", str(config), "--host", "127.0.0.1", "--port", port], ENVIRONMENT):
            address = f"http://127.0.0.1:{port}"
            await_answer(f"{address}/health/liveliness")
            yield f"{address}/v1", provider


def await_answer(address):
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def run(checks, valuesim, litellm):
    with proxy(valuesim, litellm) as (gateway, provider), tempfile.TemporaryDirectory() as folder:
        with checks("litellm: a run through its proxy finishes, and its tokens are those of the provider"):
            done = Run(valuesim, gateway, f"{folder}/all", key=KEY).finish()
            equal(done.results["cells_finished"], 1, "cells finished")
            counted = stats(provider)
            equal(done.total("answered"), counted["answered"], "answered calls")
            equal(done.total("failed"), 0, "failed calls")
            equal(done.total("input_tokens"), counted["tokens"]["input"], "tokens in")
            equal(done.total("output_tokens"), counted["tokens"]["output"], "tokens out")
        with checks("litellm: a wrong key ends the run, with the exit code for usage"):
            wrong = Run(valuesim, gateway, f"{folder}/key", key="sk-wrong").finish()
            equal(wrong.exit_code, 2, f"the exit code (stderr: {wrong.errors})")
            holds("refused the key" in wrong.errors and "sk-wrong" not in wrong.errors, f"the reason: {wrong.errors}")
        with checks("litellm: a model that it does not know ends the run, with the exit code for usage"):
            unknown = Run(valuesim, gateway, f"{folder}/model", key=KEY, model="gpt-4o").finish()
            equal(unknown.exit_code, 2, f"the exit code (stderr: {unknown.errors})")
            holds("does not know the model" in unknown.errors, f"the reason: {unknown.errors}")
    faults = ["--error-rate", "0.05", "--bad-request-rate", "0.008", "--truncated-rate", "0.03"]
    with proxy(valuesim, litellm, *faults) as (gateway, provider), tempfile.TemporaryDirectory() as folder:
        with checks("litellm: a run survives a provider that fails, and prompts that it rejects end alone"):
            done = Run(valuesim, gateway, folder, key=KEY).finish()
            equal(done.results["cells_finished"], 1, "cells finished")
            errors = stats(provider)["errors"]
            holds(errors.get("500", 0) + errors.get("503", 0) > 0, f"there were errors: {errors}")
            rejected = sum(endings.get("rejected", 0) for endings in done.endings().values())
            holds(0 < rejected <= errors["400"], f"{rejected} predictions were rejected, with {errors}")
