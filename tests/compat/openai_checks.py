"""Checks the simulated provider with the official Python client: formats, errors, limits, and the client's retries."""

import asyncio
import json
import time
import urllib.request

import openai
from openai.types.chat import ChatCompletion

from checks import equal, holds, raised
from servers import server

KEY = "compat-key"
MODELS = ["sim-large", "sim-small"]
QUESTION = [{"role": "user", "content": "Please answer: is water wet?\nOptions:\n1: Yes\n2: No"}]


def run(checks, valuesim):
    def provider(*flags):
        return server([valuesim, "simulate-provider", "--listen", "127.0.0.1:0", *flags])

    with provider("--api-key", KEY, "--models", ",".join(MODELS), "--cache", "vllm") as address:
        completions(checks, address)
        embeddings(checks, address)
        models(checks, address)
        errors(checks, address)
        many_at_once(checks, address)
    # 60 a minute in windows of two seconds: two calls pass, the third has to wait.
    with provider("--requests-per-minute", "60", "--window", "2") as address:
        refused(checks, address)
    with provider("--requests-per-minute", "60", "--window", "2") as address:
        retried(checks, address)
    with provider("--error-rate", "1") as address:
        with checks("openai: a failing provider raises InternalServerError"):
            error = raised(openai.InternalServerError, lambda: ask(client(address)))
            holds(error.status_code in (500, 503), f"{error.status_code} is 500 or 503")
    with provider("--cut-rate", "1") as address:
        with checks("openai: a cut connection raises APIConnectionError"):
            raised(openai.APIConnectionError, lambda: ask(client(address)))
    with provider("--hang-rate", "1") as address:
        with checks("openai: a provider that hangs raises APITimeoutError"):
            raised(openai.APITimeoutError, lambda: ask(client(address, timeout=0.5)))
    with provider("--refusal-rate", "1") as address:
        refusals(checks, address)


def client(address, kind=openai.OpenAI, **settings):
    """A client that does not retry, unless told otherwise."""
    return kind(base_url=f"{address}/v1", **{"api_key": KEY, "max_retries": 0, **settings})


def ask(client, **fields):
    return client.chat.completions.create(**{"model": MODELS[0], "messages": QUESTION, "temperature": 0, **fields})


def stats(address):
    with urllib.request.urlopen(f"{address}/stats", timeout=30) as response:
        return json.load(response)


def completions(checks, address):
    api = client(address)
    with checks("openai: a completion has content, usage, finish reason and model"):
        reply = ask(api)
        (choice,) = reply.choices
        equal((reply.object, reply.model, choice.finish_reason), ("chat.completion", MODELS[0], "stop"), "reply")
        equal(choice.message.role, "assistant", "role")
        holds(choice.message.content, "there is content")
        holds(reply.usage.prompt_tokens > 0 and reply.usage.completion_tokens > 0, "there are tokens")
        equal(reply.usage.total_tokens, reply.usage.prompt_tokens + reply.usage.completion_tokens, "total tokens")
    with checks("openai: a completion has all fields of the client's own type, with the right types"):
        raw = api.chat.completions.with_raw_response.create(model=MODELS[0], messages=QUESTION)
        ChatCompletion.model_validate_json(raw.text if isinstance(raw.text, str) else raw.text(), strict=True)
    with checks("openai: the same prompt gets the same content"):
        equal(ask(api).choices, reply.choices, "choices")
    with checks("openai: cached tokens are reported"):
        prompt = [{"role": "user", "content": "A long beginning. " * 50 + "What now?"}]
        cached = [ask(api, messages=prompt).usage.prompt_tokens_details.cached_tokens for _ in range(2)]
        holds(cached[0] == 0 and cached[1] > 100, f"{cached} tokens: none at first, then most")
    for field in ("max_tokens", "max_completion_tokens"):
        with checks(f"openai: {field} ends a reply with the finish reason length"):
            short = ask(api, **{field: 2})
            equal((short.choices[0].finish_reason, short.usage.completion_tokens), ("length", 2), "reply")
    with checks("openai: content may come in parts"):
        parts = [{"role": "user", "content": [{"type": "text", "text": QUESTION[0]["content"]}]}]
        equal(ask(api, messages=parts).choices, reply.choices, "choices")


def embeddings(checks, address):
    texts = ["How important is family?", "How important are friends?", "Did you sign a petition?"]
    with checks("openai: embeddings come in order, in both encodings, and are near for near texts"):
        api = client(address)
        numbers = api.embeddings.create(model=MODELS[0], input=texts, encoding_format="float")
        by_default = api.embeddings.create(model=MODELS[0], input=texts)
        equal([entry.index for entry in numbers.data], [0, 1, 2], "indices")
        family, friends, petition = (entry.embedding for entry in numbers.data)
        for one, other in zip(numbers.data, by_default.data):
            holds(max(abs(a - b) for a, b in zip(one.embedding, other.embedding)) < 1e-6, "both encodings are equal")
        near, far = (sum(a * b for a, b in zip(family, other)) for other in (friends, petition))
        holds(near > far, f"{near} is above {far}")
        holds(numbers.usage.prompt_tokens > 0, "there are tokens")


def models(checks, address):
    with checks("openai: models are listed"):
        equal([model.id for model in client(address).models.list()], MODELS, "models")
    with checks("openai: an unknown URL raises NotFoundError"):
        error = raised(openai.NotFoundError, lambda: client(address).moderations.create(input="hello"))
        equal(error.code, "unknown_url", "code")


def errors(checks, address):
    with checks("openai: a wrong key raises AuthenticationError"):
        error = raised(openai.AuthenticationError, lambda: ask(client(address, api_key="wrong")))
        equal((error.status_code, error.code), (401, "invalid_api_key"), "status and code")
        holds("wrong" not in error.message, "the message does not repeat the key")
    with checks("openai: a wrong key lists no models either"):
        raised(openai.AuthenticationError, lambda: client(address, api_key="wrong").models.list())
    with checks("openai: an unknown model raises NotFoundError"):
        error = raised(openai.NotFoundError, lambda: ask(client(address), model="sim-none"))
        equal((error.status_code, error.code, error.param), (404, "model_not_found", "model"), "status, code, param")
    malformed = {
        "messages that are not a list": ({"messages": "hello"}, None),
        "no messages": ({"messages": []}, "messages"),
        "a reply of no tokens": ({"max_tokens": 0}, "max_tokens"),
        "a stream": ({"stream": True}, "stream"),
        "two choices": ({"n": 2}, "n"),
    }
    for what, (fields, param) in malformed.items():
        with checks(f"openai: {what} raises BadRequestError"):
            error = raised(openai.BadRequestError, lambda: ask(client(address), **fields))
            equal((error.status_code, error.type, error.param), (400, "invalid_request_error", param), "error")


def many_at_once(checks, address):
    async def all_of_them():
        async with client(address, openai.AsyncOpenAI) as api:
            prompts = [[{"role": "user", "content": f"{number}. {QUESTION[0]['content']}"}] for number in range(32)]
            return await asyncio.gather(*(ask(api, messages=prompt) for prompt in prompts))

    with checks("openai: the asynchronous client makes 32 calls at once"):
        before = stats(address)["answered"]
        replies = asyncio.run(all_of_them())
        equal({reply.choices[0].finish_reason for reply in replies}, {"stop"}, "finish reasons")
        equal(len({reply.id for reply in replies}), 32, "different replies")
        equal(stats(address)["answered"] - before, 32, "calls that the provider answered")


def refused(checks, address):
    api = client(address)
    with checks("openai: headers report the remaining requests"):
        left = [raw.headers["x-ratelimit-remaining-requests"] for raw in two_calls(api)]
        equal(left, ["1", "0"], "requests left")
    with checks("openai: a call above the limit raises RateLimitError"):
        error = raised(openai.RateLimitError, lambda: ask(api))
        equal((error.status_code, error.code, error.type), (429, "rate_limit_exceeded", "requests"), "error")
        seconds, milliseconds = (error.response.headers[name] for name in ("retry-after", "retry-after-ms"))
        holds(0 < int(milliseconds) <= 2000 and int(seconds) in (1, 2), f"{seconds} s, {milliseconds} ms")


def two_calls(api):
    return [api.chat.completions.with_raw_response.create(model="any", messages=QUESTION) for _ in range(2)]


def retried(checks, address):
    with checks("openai: the client's own retry waits as long as the reply says, and succeeds"):
        api = client(address, max_retries=2)
        start = time.monotonic()
        for _ in range(3):
            ask(api)
        took = time.monotonic() - start
        # The reply says when the third call may pass, so one retry is enough.
        equal(stats(address)["errors"], {"429": 1}, "errors")
        holds(2 <= took < 4, f"{took:.2f} s is slightly longer than a window")


def refusals(checks, address):
    with checks("openai: refusals are parsed: as text, in the field refusal, by the content filter"):
        prompts = [[{"role": "user", "content": f"{number}. {QUESTION[0]['content']}"}] for number in range(40)]
        choices = [ask(client(address), messages=prompt).choices[0] for prompt in prompts]
        kinds = {
            "filter" if choice.finish_reason == "content_filter" else "field" if choice.message.refusal else "words"
            for choice in choices
        }
        equal(kinds, {"words", "field", "filter"}, "kinds of refusals")
