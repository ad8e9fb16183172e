"""Runs all checks and prints how many passed. Usage: main.py VALUESIM AIMOCK LITELLM CHROMIUM MODULES, paths."""

import sys

import aimock_checks
import data_checks
import litellm_checks
import openai_checks
import page_checks
import price_checks
import rag_checks
import results_checks
from checks import Checks


def main(valuesim, aimock, litellm, chromium, modules):
    checks = Checks()
    with checks("aimock: all checks ran"):
        aimock_checks.run(checks, valuesim, aimock)
    with checks("litellm: all checks ran"):
        litellm_checks.run(checks, valuesim, litellm)
    with checks("openai: all checks ran"):
        openai_checks.run(checks, valuesim)
    with checks("rag: all checks ran"):
        rag_checks.run(checks, valuesim)
    with checks("page: all checks ran"):
        page_checks.run(checks, valuesim, chromium, modules)
    with checks("results: all checks ran"):
        results_checks.run(checks, valuesim)
    with checks("prices: all checks ran"):
        price_checks.run(checks)
    with checks("data: all checks ran"):
        data_checks.run(checks, valuesim)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
