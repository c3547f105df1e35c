import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { LlmAnswer, ModelListEntry } from 'nestjs-fast-litellm';
import { HELLO, scripted, stopProviders } from '../support/llm-client-providers.js';
import { clientOf, closeClients } from '../support/llm-client-setup.js';

// Replays what LiteLLM's Router did with several requests in a row
// (fixtures/litellm/router_scenarios.py).

interface Scenario {
  readonly name: string;
  readonly deployments: readonly {
    readonly id: string;
    readonly group: string;
    readonly answers: readonly (number | 'ok')[];
    readonly order?: number;
    readonly params: Readonly<Record<string, unknown>>;
  }[];
  readonly settings: Readonly<Record<string, unknown>>;
  readonly requests: readonly Readonly<Record<string, unknown>>[];
  /** For each request the deployments called; ` -`: it failed; else a text that none of them gave. */
  readonly litellm: readonly string[];
}

const file = join(__dirname, '../fixtures/litellm/router-scenarios.json');
const recorded = JSON.parse(readFileSync(file, 'utf8')) as readonly Scenario[];

/** Plays a scenario. */
async function play({ deployments, settings, requests }: Scenario): Promise<readonly string[]> {
  const calls: string[] = [];
  const counts = new Map<string, number>();
  const base = await scripted((incoming, response) => {
    const id = (incoming.url ?? '').split('/')[2];
    const nth = counts.get(id) ?? 0;
    calls.push(id);
    counts.set(id, nth + 1);
    const answers = deployments.find((each) => each.id === id)?.answers ?? [];
    const answer = answers[Math.min(nth, answers.length - 1)];
    incoming.resume();
    response.setHeader('content-type', 'application/json');
    if (answer !== 'ok') {
      response.writeHead(answer).end(JSON.stringify({ error: { message: `status ${answer}`, type: 'invalid_request_error' } }));
      return;
    }
    const message = { role: 'assistant', content: id };
    const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
    response.end(JSON.stringify({ choices: [{ index: 0, finish_reason: 'stop', message }], usage }));
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
  const { client } = clientOf({ modelList, routerSettings: settings }, { mockTesting: true });
  const outcomes: string[] = [];
  for (const request of requests) {
    calls.length = 0;
    let answered: string | undefined;
    try {
      const answer = (await client.chat({ model: 'g', messages: HELLO, ...request })) as unknown as LlmAnswer;
      const { choices } = (answer as LlmAnswer<{ choices: { message: { content: string } }[] }>).json();
      answered = choices[0].message.content;
    } catch {
      // Its outcome says so.
    }
    outcomes.push(calls.join() + (answered === undefined ? ' -' : calls.includes(answered) ? '' : ` ${answered}`));
  }
  return outcomes;
}

/** Where ours differ on purpose. */
const DIFFERENCES: readonly { readonly scenario: RegExp; readonly ours: readonly string[]; readonly why: string }[] = [
  {
    scenario: /^cooldown: (?:408|500|503), one deployment, its policy 1$/,
    ours: ['a,f', 'a,f', 'f'],
    why: 'an entry of allowed_fails_policy applies to these errors, too',
  },
  { scenario: /^cooldown: (?:408|500|503), two orders, its policy 1$/, ours: ['a,b', 'a,b', 'b'], why: 'as above' },
  { scenario: /^cooldown: (?:408|500|503), alone, no fallback, allowed_fails_policy$/, ours: ['a -', ' -', ' -'], why: 'so do they alone' },
  { scenario: /^alias: .*, fallbacks of its target$/, ours: ['a,f'], why: 'an alias has the fallbacks of its model group' },
  {
    scenario: /^wildcard: .*, gpt-4o-mini$/,
    ours: [' -'],
    why: 'a name without a prefix does not match openai/*: which provider it belongs to is not guessed',
  },
  {
    scenario: /^mock: mock_testing_rate_limit_error by fallbacks$/,
    ours: ['f'],
    why: 'it tests the fallback, as the other flags do; in LiteLLM the call fails',
  },
];

const used = new Set<string>();

describe('the scenarios of LiteLLM', () => {
  afterEach(async () => {
    await closeClients();
    await stopProviders();
  });

  it.each(recorded.map((scenario) => [scenario.name, scenario] as const))('%s', async (name, scenario) => {
    const ours = await play(scenario);
    const difference = DIFFERENCES.find(({ scenario: names, ours: wanted }) => names.test(name) && isDeepStrictEqual(wanted, ours));
    if (difference === undefined) return expect(ours).toEqual(scenario.litellm);
    if (isDeepStrictEqual(ours, scenario.litellm)) return;
    used.add(difference.why);
  });

  it('are at least 179, and need every reason', () => {
    expect(recorded.length).toBeGreaterThanOrEqual(179);
    expect([...used].sort()).toEqual(DIFFERENCES.map(({ why }) => why).sort());
  });
});
