"""Counts texts with PyPI `tokenizers` for the bench: a JSON command a line, a JSON answer a line."""

import json
import os
import sys

os.environ.setdefault("RAYON_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import tokenizers

tokenizer = tokenizers.Tokenizer.from_file(sys.argv[1])
tokenizer.encode_special_tokens = True
texts = []


def count(first, end, batch):
    some = texts[first:end]
    if batch:
        return sum(len(found.ids) for found in tokenizer.encode_batch_fast(some, add_special_tokens=False))
    return sum(len(tokenizer.encode(text, add_special_tokens=False).ids) for text in some)


print(json.dumps(tokenizers.__version__), flush=True)
for line in sys.stdin:
    command = json.loads(line)
    if "texts" in command:
        texts = command["texts"]
        print("0", flush=True)
    else:
        tokens = [count(command["first"], command["end"], command["batch"]) for _ in range(command["times"])][-1]
        print(tokens, flush=True)
