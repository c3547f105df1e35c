import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { ModelListEntry, ModelRequest, RouterOptions } from 'nestjs-fast-litellm';
import { clientOf, closeClients } from '../support/llm-client-setup.js';
import { HELLO, scripted, stopProviders } from '../support/llm-client-providers.js';
import { isComplete } from '../support/long.js';

// Replays the scenarios that LiteLLM's Router ran for fixtures/litellm/router-calls.json
// (router_calls.py).

type Answer = number | 'ok' | 'context' | 'policy' | 'hang' | 'reset';

interface Scenario {
  readonly name: string;
  readonly deployments: readonly {
    readonly id: string;
    readonly group: string;
    readonly answers: readonly Answer[];
    readonly order?: number;
    readonly params: Readonly<Record<string, unknown>>;
  }[];
  /** LiteLLM's router settings. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly request: Readonly<Record<string, unknown>>;
  /** What LiteLLM did: one outcome, or several where it selects at random. */
  readonly litellm: readonly { readonly calls: readonly string[]; readonly answeredBy?: string }[];
}

const file = join(__dirname, '../fixtures/litellm/router-calls.json');
const recorded = JSON.parse(readFileSync(file, 'utf8')) as { readonly litellm: string; readonly scenarios: readonly Scenario[] };

/** Where the calls differ on purpose: by the scenario's name, our calls and the reason. */
const DIFFERENCES: readonly { readonly scenario: RegExp; readonly calls: readonly string[]; readonly why: string }[] = [
  {
    scenario: /^orders, one without$/,
    calls: ['a,a,z,z,f'],
    why: 'A deployment without an order is the last of its group. LiteLLM never calls one beside others that have an order.',
  },
  {
    scenario: /^orders, the first is never asked$/,
    calls: ['b,b,c,c,f'],
    why: 'A limit of 0 takes a deployment out. LiteLLM heeds limits with pre-call checks alone.',
  },
  {
    scenario: /^403: one deployment/,
    calls: ['a,f', 'a'],
    why: 'The only key was refused: the same request with it would be refused again. For LiteLLM a 403 is an error of no kind, and is repeated.',
  },
  {
    scenario: /^retry_policy PermissionDeniedErrorRetries \d, 403$/,
    calls: ['a,f'],
    why: 'As above.',
  },
  {
    scenario: /^retry_policy and retries of the deployment$/,
    calls: ['a,a,a,f'],
    why: 'num_retries of a deployment is said of it alone, and goes before policies that are said of all.',
  },
  {
    scenario: /^retry_policy BadGatewayErrorRetries 0, 502/,
    calls: ['a,f', 'b,f', 'a', 'b'],
    why: 'BadGatewayErrorRetries is heeded. LiteLLM has no such field, though it has BadGatewayErrorAllowedFails.',
  },
  {
    scenario: /^retry_policy BadGatewayErrorRetries 2, 502/,
    calls: ['a,a,a,f', 'a,b,a,f', 'a,b,b,f', 'b,a,a,f', 'b,a,b,f', 'a,b,a', 'a,b,b', 'b,a,a', 'b,a,b'],
    why: 'As above.',
  },
  {
    scenario: /^retry_policy InternalServerErrorRetries 0, 529/,
    calls: ['a,f', 'b,f', 'a', 'b'],
    why: 'A status from 500 on that has no class of its own counts as an internal error. LiteLLM has no class for it.',
  },
  {
    scenario: /^retry_policy InternalServerErrorRetries 2, 529/,
    calls: ['a,a,a,f', 'a,b,a,f', 'a,b,b,f', 'b,a,a,f', 'b,a,b,f', 'a,b,a', 'a,b,b', 'b,a,a', 'b,a,b'],
    why: 'As above.',
  },
  {
    scenario: /^fallbacks of the request: a target without a model/,
    calls: [''],
    why: 'It is an error of the request, with the path of the target. LiteLLM calls the model of the target before it.',
  },
  {
    scenario: /^fallbacks of the request: names and targets/,
    calls: ['a,f,h'],
    why: 'Each entry of a list counts, whatever form it has. LiteLLM passes over the objects in a list with names.',
  },
];

const differenceOf = (name: string): (typeof DIFFERENCES)[number] | undefined => DIFFERENCES.find(({ scenario }) => scenario.test(name));
/** Every scenario that differs, and a sample of the others. */
const SCENARIOS = recorded.scenarios.filter(({ name }, at) => isComplete || at % 3 === 0 || differenceOf(name) !== undefined);

/** More would wait for connections on a loaded machine until they time out. */
const AT_ONCE = 64;

const ERRORS: Readonly<Record<string, readonly [number, string, string]>> = {
  context: [400, "This model's maximum context length is 10 tokens.", 'context_length_exceeded'],
  policy: [400, 'invalid_request_error, content_policy_violation: the prompt was filtered.', 'content_policy_violation'],
};

function answerWith(answer: Answer, id: string, request: IncomingMessage, response: ServerResponse): void {
  if (answer === 'hang') return;
  if (answer === 'reset') {
    request.socket.destroy();
    return;
  }
  response.setHeader('content-type', 'application/json');
  if (answer === 'ok') {
    const message = { role: 'assistant', content: id };
    response.end(
      JSON.stringify({ choices: [{ index: 0, finish_reason: 'stop', message }], usage: { prompt_tokens: 1, completion_tokens: 1 } }),
    );
    return;
  }
  const [status, message, code] = ERRORS[answer] ?? [answer, `status ${answer}`, null];
  response.writeHead(status).end(JSON.stringify({ error: { message, type: 'invalid_request_error', param: null, code } }));
}

/** One call as the fixture writes it: the deployment, and behind it what a fallback has changed. */
function written(id: string, body: { readonly messages: readonly { readonly content: string }[]; readonly temperature?: number }): string {
  const text = body.messages[body.messages.length - 1].content;
  const changes = [
    ...(body.temperature === undefined ? [] : [`"temperature": ${body.temperature}`]),
    ...(text === 'Hello' ? [] : [`"text": "${text}"`]),
  ];
  return changes.length === 0 ? id : `${id} {${changes.join(', ')}}`;
}

/** Plays a scenario: the deployments called, one after the other. */
async function play({ deployments, settings, request }: Scenario): Promise<string> {
  const calls: string[] = [];
  const counts = new Map<string, number>();
  const base = await scripted((incoming, response) => {
    const id = (incoming.url ?? '').split('/')[2];
    let text = '';
    incoming.on('data', (data) => (text += String(data)));
    incoming.on('end', () => {
      calls.push(written(id, JSON.parse(text) as never));
      const answers = deployments.find((deployment) => deployment.id === id)?.answers ?? [];
      const nth = counts.get(id) ?? 0;
      counts.set(id, nth + 1);
      answerWith(answers[Math.min(nth, answers.length - 1)], id, incoming, response);
    });
  });
  const modelList = deployments.map(({ id, group, order, params }): ModelListEntry => {
    const own = {
      model: 'openai/gpt-4o',
      api_key: 'sk-none',
      api_base: `${base}/${id}/v1`,
      ...params,
      ...(order !== undefined && { order }),
    };
    return { model_name: group, litellm_params: own, model_info: { id } };
  });
  const routerSettings = settings as RouterOptions['routerSettings'];
  const { client } = clientOf({ modelList, routerSettings }, { maxAttempts: 100, callerLimits: { numRetries: 10, maxFallbacks: 10 } });
  await client.chat({ model: 'g', messages: HELLO, ...request } as ModelRequest).catch(() => {});
  return calls.join(',');
}

function tierOf({ deployments }: Scenario, called: string): string {
  const { group = '', order = '' } = deployments.find(({ id }) => id === called) ?? {};
  return `${group}${order}`;
}

describe(`the calls of LiteLLM ${recorded.litellm}`, () => {
  const played = new Map<Scenario, Promise<string>>();

  // Scenarios that hang come last: on a loaded machine they would time out before they are sent.
  beforeAll(async () => {
    const hangs = ({ deployments }: Scenario): boolean => deployments.some(({ answers }) => answers.includes('hang'));
    for (const some of [SCENARIOS.filter((scenario) => !hangs(scenario)), SCENARIOS.filter(hangs)]) {
      for (let at = 0; at < some.length; at += AT_ONCE) {
        for (const scenario of some.slice(at, at + AT_ONCE)) played.set(scenario, play(scenario));
        await Promise.all(played.values());
      }
    }
  });

  afterAll(async () => {
    await closeClients();
    await stopProviders();
  });

  it.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))('%s', async (name, scenario) => {
    const ours = await played.get(scenario);
    const isRandom = scenario.litellm.length > 1;
    const theirs = scenario.litellm.map(({ calls }) => calls.join(','));
    const difference = differenceOf(name);
    if (difference === undefined) {
      // LiteLLM selects at random within a tier, so its recorded runs may not cover every outcome.
      const tiers = (calls = ''): string => calls.replace(/\w+/g, (id) => tierOf(scenario, id));
      if (isRandom) expect(theirs.map(tiers)).toContain(tiers(ours));
      else expect(theirs).toEqual([ours]);
    } else {
      expect(difference.calls).toContain(ours);
      expect(theirs).not.toContain(ours);
    }
  });

  it('differ from ours only in the listed ways, each of which occurs', () => {
    for (const { scenario } of DIFFERENCES) expect(recorded.scenarios.some(({ name }) => scenario.test(name))).toBe(true);
  });
});
