"""Runs LiteLLM's Python clients against a proxy, and prints what each call returned, as JSON by name.

    python litellm_clients.py http://127.0.0.1:4000 sk-master http://127.0.0.1:5000/v1

The last argument is the address of a provider. The calls are those of litellm/proxy/client/README.md and of the command `litellm-proxy`.
"""

import json
import os
import subprocess
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from litellm.proxy.client import Client, UsersManagementClient
from litellm.proxy.client.health import HealthManagementClient
from litellm.proxy.client.teams import TeamsManagementClient

BASE, KEY, PROVIDER = sys.argv[1:]
HELLO = [{"role": "user", "content": "Hello"}]
returned = {}


def call(name, run):
    try:
        returned[name] = run()
    except Exception as error:
        returned[name] = {"failed": f"{type(error).__name__}: {error}"[:500]}
    return returned[name]


def command(*args):
    environment = {**os.environ, "LITELLM_PROXY_URL": BASE, "LITELLM_PROXY_API_KEY": KEY}
    run = subprocess.run([sys.executable, "-c", "from litellm.proxy.client.cli.main import cli; cli()", *args], capture_output=True, text=True, env=environment, timeout=120)
    if run.returncode != 0:
        raise RuntimeError(run.stdout + run.stderr)
    return json.loads(run.stdout) if run.stdout.lstrip().startswith(("{", "[")) else run.stdout


def main():
    completion = dict(model="litellm_proxy/group-1", messages=HELLO, api_base=f"{BASE}/v1", api_key=KEY)
    call("completion", lambda: litellm.completion(**completion).choices[0].message.content)
    call("stream", lambda: "".join(chunk.choices[0].delta.content or "" for chunk in litellm.completion(**completion, stream=True)))
    call("completion of openai/", lambda: litellm.completion(**{**completion, "model": "openai/group-1"}).choices[0].message.content)
    call("unknown model", lambda: litellm.completion(**{**completion, "model": "litellm_proxy/nobody"}))
    call("wrong key", lambda: litellm.completion(**{**completion, "api_key": "sk-nobody-0123456789"}))

    client = Client(base_url=BASE, api_key=KEY)
    call("models.list", lambda: sorted(model["id"] for model in client.models.list()))
    model = call("models.new", lambda: client.models.new("added", {"model": "openai/gpt-4o-mini", "api_base": PROVIDER, "api_key": "sk-provider-0123456789"}))
    call("chat.completions", lambda: client.chat.completions("added", HELLO)["choices"][0]["message"]["content"])
    call("chat.completions_stream", lambda: "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in client.chat.completions_stream("added", HELLO)))
    call("models.get", lambda: client.models.get(model_id=model["model_id"])["model_name"])
    call("models.info", lambda: [entry["model_name"] for entry in client.models.info()])
    call("models.update", lambda: client.models.update(model["model_id"], {"model": "openai/gpt-4o-mini", "rpm": 5})["litellm_params"]["rpm"])
    call("model_groups.info", lambda: [group["model_group"] for group in client.model_groups.info()])
    call("models.delete", lambda: client.models.delete(model["model_id"])["message"])

    call("credentials.create", lambda: client.credentials.create("azure1", {"api_type": "azure"}, {"api_key": "sk-provider-0123456789", "api_base": PROVIDER}))
    call("credentials.list", lambda: [entry["credential_name"] for entry in client.credentials.list()["credentials"]])
    call("credentials.get", lambda: client.credentials.get("azure1")["credential_name"])
    call("credentials.delete", lambda: client.credentials.delete("azure1"))

    generate = lambda: client.keys.generate(models=["group-1"], aliases={"fast": "group-1"}, spend=0, duration="24h", key_alias="my-key", team_id=None, user_id="u1", config={})
    key = call("keys.generate", lambda: generate())["key"]
    call("keys.info", lambda: client.keys.info(key)["info"]["key_alias"])
    call("keys.list", lambda: [entry["key_alias"] for entry in client.keys.list(page=1, size=10, user_id="u1", return_full_object=True, include_team_keys=True)["keys"]])
    call("keys.update", lambda: client.keys.update(key, key_alias="renamed", models=["group-2"], duration="1h")["key_alias"])
    call("keys.delete", lambda: len(client.keys.delete(keys=[key])["deleted_keys"]))
    returned["keys.generate"] = sorted(returned["keys.generate"])

    users = UsersManagementClient(base_url=BASE, api_key=KEY)
    call("users.create_user", lambda: users.create_user({"user_id": "alice", "user_email": "a@example.com", "user_role": "internal_user", "user_alias": "Alice", "max_budget": 100.0})["user_id"])
    call("users.list_users", lambda: [user["user_id"] for user in users.list_users()])
    call("users.get_user", lambda: users.get_user(user_id="alice")["user_info"]["user_email"])
    call("users.get_user_v2", lambda: users.get_user_v2(user_id="alice")["user_email"])
    call("users.delete_user", lambda: users.delete_user(["alice"]))
    call("unknown user", lambda: users.get_user(user_id="nobody"))

    call("http.request", lambda: client.http.request("POST", "/team/new", json={"team_id": "mobile", "team_alias": "Mobile"})["team_id"])
    teams = TeamsManagementClient(base_url=BASE, api_key=KEY)
    call("teams.list", lambda: [team["team_id"] for team in teams.list()])
    call("teams.list_v2", lambda: [team["team_id"] for team in teams.list_v2(page=1, page_size=10, sort_by="created_at", sort_order="desc")["teams"]])
    call("teams.get_available", lambda: teams.get_available())
    call("health.get_readiness", lambda: HealthManagementClient(base_url=BASE, api_key=KEY).get_readiness()["status"])

    call("litellm-proxy models list", lambda: sorted(model["id"] for model in command("models", "list", "--format", "json")))
    call("litellm-proxy keys list", lambda: command("keys", "list", "--format", "json")["total_count"])
    call("litellm-proxy credentials list", lambda: command("credentials", "list", "--format", "json")["credentials"])
    call("litellm-proxy http request", lambda: command("http", "request", "GET", "/health/readiness")["status"])
    print(json.dumps(returned))


main()
