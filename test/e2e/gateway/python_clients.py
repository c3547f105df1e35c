"""Asks the gateway at argv[1] by Python's openai and litellm; prints what came back as JSON."""

import base64
import io
import json
import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm  # noqa: E402
from openai import OpenAI  # noqa: E402

url, model = sys.argv[1], sys.argv[2]
client = OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0)
messages = [{"role": "user", "content": "Hello"}]
tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


def joined(stream):
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def through_litellm(name, **more):
    return litellm.completion(model=name, messages=messages, api_key="any", max_retries=0, **more)


print(
    json.dumps(
        {
            "chat": client.chat.completions.create(model=model, messages=messages).choices[0].message.content,
            "stream": joined(client.chat.completions.create(model=model, messages=messages, stream=True)),
            "tool": client.chat.completions.create(model=model, messages=messages, tools=[tool]).choices[0].message.tool_calls[0].function.arguments,
            "response": client.responses.create(model=model, input="Hello").output_text,
            "events": [event.type for event in client.responses.create(model=model, input="Hello", stream=True)][-1],
            "embeddings": len(client.embeddings.create(model=model, input=["a", "b"]).data),
            "models": [entry.id for entry in client.models.list()],
            "image": client.images.generate(model="other", prompt="A dog").data[0].b64_json,
            "speech": base64.b64encode(client.audio.speech.create(model="other", voice="alloy", input="Hello").read()).decode(),
            "transcript": client.audio.transcriptions.create(model="other", file=("a.mp3", io.BytesIO(b"sound"))).text,
            "file": client.files.create(file=("a.jsonl", io.BytesIO(b"{}")), purpose="batch", extra_query={"model": "other"}).id,
            "litellm": through_litellm(f"openai/{model}", api_base=f"{url}/v1").choices[0].message.content,
            "litellm_stream": joined(through_litellm(f"openai/{model}", api_base=f"{url}/v1", stream=True)),
            "litellm_anthropic": through_litellm(f"anthropic/{model}", api_base=url, max_tokens=50).choices[0].message.content,
            "litellm_proxy": through_litellm(f"litellm_proxy/{model}", api_base=f"{url}/v1").choices[0].message.content,
        }
    )
)
