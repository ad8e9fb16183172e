"""Prices forty usages with litellm and genai-prices, and compares them with shared/tests/prices/golden.json, which `make test` compares
with this program's prices. `python price_checks.py --write` writes that file anew."""

import json
import os
import sys
import warnings
from datetime import datetime, timezone
from pathlib import Path

from checks import equal

GOLDEN = Path(__file__).parents[2] / "shared/tests/prices/golden.json"
NANO = 10**9
NOON = "2026-11-27T12:00:00Z"
FRIDAY_PEAK, FRIDAY_LATE, SATURDAY = "2026-11-27T02:30:00Z", "2026-11-27T18:00:00Z", "2026-11-28T02:30:00Z"

LITELLM_PREFIX = {"google": "gemini/", "mistral": "mistral/", "qwen": "dashscope/", "deepinfra": "deepinfra/", "together": "together_ai/"}
LITELLM_PROVIDER = {"google": "gemini", "qwen": "dashscope", "together": "together_ai"}
LLAMA = "meta-llama/Llama-3.3-70B-Instruct-Turbo"


def usage(host, model, input, cached=0, write=0, output=0, reasoning=0, tier=None, at=NOON):
    tokens = {"input": input, "cached": cached, "cache_write": write, "output": output, "reasoning": reasoning}
    return {"host": host, "model": model, "tokens": tokens, "service_tier": tier, "at": at}


USAGES = [
    usage("openai", "gpt-3.5-turbo", 2731, output=131),
    usage("openai", "gpt-3.5-turbo", 4312, output=1507, tier="batch"),
    usage("openai", "gpt-4o", 2731, cached=1024, output=131),
    usage("openai", "gpt-4o-mini", 2000, cached=1024, output=100),
    usage("openai", "gpt-4o-mini", 4312, output=1507),
    usage("openai", "gpt-4o-mini", 4312, output=1507, tier="batch"),
    usage("openai", "gpt-4o-mini", 2000, cached=1024, output=100, tier="batch"),
    usage("openai", "gpt-4.1", 2731, cached=2560, output=131),
    usage("openai", "gpt-4.1-mini", 2731, output=7),
    usage("openai", "gpt-4.1-nano", 1, output=1),
    usage("openai", "gpt-5", 2731, cached=1024, output=1131, reasoning=1000),
    usage("openai", "gpt-5", 2731, cached=1024, output=1131, reasoning=1000, tier="flex"),
    usage("openai", "gpt-5-mini", 2731, cached=1024, output=131, tier="batch"),
    usage("openai", "gpt-5-nano", 999_999, cached=999_936, output=1),
    usage("openai", "gpt-5.4", 272_000, cached=1024, output=131),
    usage("openai", "gpt-5.4", 272_001, cached=1024, output=131),
    usage("openai", "gpt-5.4-mini", 2731, output=131),
    usage("openai", "gpt-5.6-luna", 2731, cached=1024, write=1000, output=131),
    usage("openai", "gpt-6-luna", 2731, cached=1024, output=131),
    usage("openai", "gpt-6.1-terra", 300_000, output=131),
    usage("openai", "o4-mini", 2731, output=2131, reasoning=2000),
    usage("deepseek", "deepseek-flash", 2731, cached=2688, output=131, at=FRIDAY_PEAK),
    usage("deepseek", "deepseek-flash", 2731, cached=2688, output=131, at=FRIDAY_LATE),
    usage("deepseek", "deepseek-v4-pro", 2731, cached=64, output=131, at=FRIDAY_PEAK),
    usage("deepseek", "deepseek-v4-pro", 2731, cached=64, output=131, at=SATURDAY),
    usage("anthropic", "claude-haiku-4-5", 2731, cached=1024, write=1000, output=131),
    usage("anthropic", "claude-haiku-5-5", 100_001, output=131),
    usage("anthropic", "claude-sonnet-4-5", 250_000, output=131),
    usage("anthropic", "claude-sonnet-5-5", 2731, cached=2048, output=131, tier="batch"),
    usage("anthropic", "claude-opus-5-5", 2731, write=2000, output=131),
    usage("google", "gemini-2.5-flash", 2731, cached=1024, output=131),
    usage("google", "gemini-2.5-pro", 200_001, output=131),
    usage("google", "gemini-2.5-flash", 2731, cached=1024, output=131, tier="batch"),
    usage("google", "gemini-3.8-flash", 2731, output=131),
    usage("google", "gemini-3.8-flash", 2731, output=131, at="2027-01-01T12:00:00Z"),
    usage("mistral", "mistral-small-latest", 2731, output=131),
    usage("mistral", "mistral-large-latest", 2731, output=131),
    usage("qwen", "qwen-turbo", 2731, output=531, reasoning=400),
    usage("qwen", "qwen3.8-flash", 2731, cached=1024, output=131),
    usage("deepinfra", LLAMA, 2731, output=131),
    usage("together", LLAMA, 2731, output=131),
]

# Where the two differ, or one has no price: which one ours follows, and why. By host, model and moment.
FOLLOWED = {
    ("deepseek", "deepseek-v4-pro", SATURDAY): ("litellm", "genai-prices has no days of the week; on DeepSeek's page weekends are off-peak"),
    ("anthropic", "claude-sonnet-4-5", NOON): ("litellm", "genai-prices keeps a tier above 200,000 tokens that litellm's newer table no longer has"),
    ("google", "gemini-3.8-flash", "2027-01-01T12:00:00Z"): ("genai_prices", "litellm has no dates; the price is announced for 2027"),
    ("mistral", "mistral-large-latest", NOON): ("litellm", "genai-prices has the price of the model that had this name before"),
    ("qwen", "qwen-turbo", NOON): ("litellm", "genai-prices has no prices of Alibaba's own service"),
    ("qwen", "qwen3.8-flash", NOON): ("litellm", "genai-prices has no prices of Alibaba's own service"),
    ("deepinfra", LLAMA, NOON): ("litellm", "genai-prices has no prices of DeepInfra"),
    ("together", LLAMA, NOON): ("litellm", "genai-prices has an older price of this host"),
}


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)


def nano(usd):
    return None if usd is None else round(float(usd) * NANO)


def by_litellm(use):
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm
    from litellm.cost_calculator import batch_cost_calculator
    from litellm.litellm_core_utils.llm_cost_calc.utils import generic_cost_per_token

    host, tokens = use["host"], use["tokens"]
    provider = LITELLM_PROVIDER.get(host, host)
    counted = litellm.Usage(
        prompt_tokens=tokens["input"],
        completion_tokens=tokens["output"],
        total_tokens=tokens["input"] + tokens["output"],
        prompt_tokens_details={"cached_tokens": tokens["cached"], "cache_creation_tokens": tokens["cache_write"]},
        completion_tokens_details={"reasoning_tokens": tokens["reasoning"]},
        cache_creation_input_tokens=tokens["cache_write"],
        cache_read_input_tokens=tokens["cached"],
    )
    if use["service_tier"] == "batch":
        return nano(sum(batch_cost_calculator(counted, use["model"], provider)))
    parts = generic_cost_per_token(use["model"], counted, provider, service_tier=use["service_tier"], current_time=moment(use["at"]))
    cost = nano(sum(parts))
    if host != "deepseek" and use["service_tier"] is None:
        # The function for everybody, which knows no moment.
        name = LITELLM_PREFIX.get(host, "") + use["model"]
        reply = litellm.ModelResponse(model=name, usage=counted)
        equal(nano(litellm.completion_cost(completion_response=reply, model=name, custom_llm_provider=provider)), cost, f"{name} by completion_cost")
    return cost


def by_genai_prices(use):
    from genai_prices import Usage, calc_price

    tokens, tier = use["tokens"], use["service_tier"]
    counted = Usage(
        input_tokens=tokens["input"],
        cache_read_tokens=tokens["cached"],
        cache_write_tokens=tokens["cache_write"],
        output_tokens=tokens["output"],
    )
    context = None
    if tier:
        context = {"processing": "batch"} if tier == "batch" else {"service_tier": tier}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            price = calc_price(
                counted, use["model"], provider_id=use["host"], genai_request_timestamp=moment(use["at"]), price_context=context
            )
    except LookupError:
        return None
    return nano(price.total_price)


def priced():
    """The usages with their costs in billionths of a dollar, ours being that of both, or of the one that is followed."""
    found = []
    for use in USAGES:
        costs = {"litellm": by_litellm(use), "genai_prices": by_genai_prices(use)}
        key = (use["host"], use["model"], use["at"])
        if costs["litellm"] == costs["genai_prices"]:
            found.append(use | costs | {"cost": costs["litellm"]})
        else:
            follows, why = FOLLOWED[key]
            found.append(use | costs | {"cost": costs[follows], "why": why})
    return found


def run(checks):
    with checks("prices: forty usages cost at litellm and genai-prices what the golden file says"):
        equal(json.loads(json.dumps(priced())), json.loads(GOLDEN.read_text()), "costs")


if __name__ == "__main__" and "--write" in sys.argv:
    GOLDEN.write_text(json.dumps(priced(), indent=1) + "\n")
