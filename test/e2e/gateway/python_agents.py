"""Lets instructor and pydantic-ai fill in forms by the gateway at argv[1]; prints the cities as JSON."""

import json
import sys

import instructor
from anthropic import Anthropic
from openai import OpenAI
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

url, model = sys.argv[1], sys.argv[2]


class Place(BaseModel):
    city: str


openai = OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0)
anthropic = Anthropic(base_url=url, api_key="any", max_retries=0)
messages = [{"role": "user", "content": "Where?"}]


def instructed(client, **more):
    return client.chat.completions.create(model=model, messages=messages, response_model=Place, max_retries=1, **more).city


def agent(kind):
    return Agent(kind(model, provider=OpenAIProvider(base_url=f"{url}/v1", api_key="any")), output_type=Place).run_sync("Where?").output.city


print(
    json.dumps(
        {
            "instructor": instructed(instructor.from_openai(openai, mode=instructor.Mode.TOOLS)),
            "instructor_strict": instructed(instructor.from_openai(openai, mode=instructor.Mode.JSON_SCHEMA)),
            "instructor_anthropic": instructed(instructor.from_anthropic(anthropic, mode=instructor.Mode.ANTHROPIC_TOOLS), max_tokens=100),
            "pydantic_ai": agent(OpenAIChatModel),
            "pydantic_ai_responses": agent(OpenAIResponsesModel),
        }
    )
)
