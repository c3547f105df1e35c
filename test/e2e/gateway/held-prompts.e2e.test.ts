import { ADAPTERS, GatewayApp, type AdapterName } from '../../support/gateway-app.js';
import { oneOrAll } from '../../support/long.js';
import { scripted, stopProviders } from '../../support/llm-client-providers.js';

const WORDS = 4_000;
const TEXT = ' word'.repeat(WORDS);
const BUDGET_USD = 0.05;
/** A request costs 0.04 USD: the budget pays for one. */
const PRICE = 0.000_01;
const PARALLEL = 8;

const messages = [{ role: 'user', content: 'Hello' }];
const object = (more: object) => ({ type: 'object', properties: { city: { type: 'string' } }, ...more });
const schemas: Record<string, object> = {
  description: object({ description: TEXT }),
  title: object({ title: TEXT }),
  default: object({ default: { city: [TEXT] } }),
  examples: object({ examples: Array.from({ length: 200 }, () => ' word'.repeat(WORDS / 200)) }),
  pattern: object({ properties: { city: { type: 'string', pattern: TEXT } } }),
  anyOf: { anyOf: [object({ description: TEXT }), object({})] },
  'description of items': object({ properties: { list: { type: 'array', items: { type: 'string', description: TEXT } } } }),
  'a keyword of its own': object({ 'x-notes': { of: { anything: TEXT } } }),
  'keys of a default': object({ default: Object.fromEntries(Array.from({ length: WORDS }, (_, at) => [`word ${at}`, at])) }),
  'names of required properties': object({ required: TEXT.trim().split(' ') }),
  'a type': { type: TEXT },
  'values of another type': { type: 'boolean', enum: TEXT.trim().split(' ') },
};
const chats: Record<string, object> = Object.fromEntries(
  Object.entries(schemas).flatMap(([name, schema]) => [
    [`${name}, in response_format`, { response_format: { type: 'json_schema', json_schema: { name: 'place', schema } } }],
    [`${name}, of a tool`, { tools: [{ type: 'function', function: { name: 'find', parameters: schema } }] }],
  ]),
);
const more: Record<string, object> = {
  'a prediction': { prediction: { type: 'content', content: TEXT } },
  'a field of the provider': { extra_body: { knowledge: { base: [TEXT] } } },
  'a field of any name': { memory: TEXT },
  'a parameter that is a text': { user: TEXT },
  'a field of a message': { messages: [{ ...messages[0], reasoning_details: [{ type: 'reasoning.text', text: TEXT }] }] },
  'the id of a part': { messages: [{ role: 'user', content: [{ type: 'text', text: 'Hello', id: TEXT }] }] },
  'the role of a message': { messages: [{ role: TEXT, content: 'Hello' }] },
  'a part that breaks a rule': {
    messages: [
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url: 'x', detail: 'none' } },
          { type: 'text', text: TEXT },
        ],
      },
    ],
  },
};
const schema = schemas.default;
const requests: [string, string, object][] = [
  ...Object.entries({ ...chats, ...more }).map(([name, body]): [string, string, object] => [
    name,
    '/v1/chat/completions',
    { messages, ...body },
  ]),
  [
    'a schema',
    '/v1/responses',
    { input: 'Hello', max_output_tokens: 16, text: { format: { type: 'json_schema', name: 'place', schema } } },
  ],
  ['a schema', '/v1/messages', { messages, output_config: { format: { type: 'json_schema', schema } } }],
  ['a default of a tool', '/v1/messages', { messages, tools: [{ name: 'find', input_schema: schema }] }],
  ['a field of any name', '/v1/embeddings', { input: 'Hello', instruction: TEXT }],
  ['documents with fields', '/v1/rerank', { query: 'Hello', documents: [{ title: TEXT }, 'Hello'] }],
];

/** Bills a token for each word that it is sent, and answers once all requests are decided. */
class Biller {
  billed = 0;
  private undecided = PARALLEL;
  private readonly waiting: (() => void)[] = [];

  decided(): void {
    if (--this.undecided === 0) for (const answer of this.waiting) answer();
  }

  start(): Promise<string> {
    return scripted((incoming, response) => {
      const parts: Buffer[] = [];
      incoming.on('data', (part: Buffer) => parts.push(part));
      incoming.on('end', () => {
        const prompt_tokens = Buffer.concat(parts).toString().match(/word/g)?.length ?? 0;
        this.billed += prompt_tokens;
        const usage = { prompt_tokens, completion_tokens: 0, total_tokens: prompt_tokens };
        const message = { role: 'assistant', content: '' };
        const choices = [{ index: 0, message, finish_reason: 'stop' }];
        const answer = JSON.stringify({ id: 'x', object: 'chat.completion', model: 'm', choices, data: [], results: [], usage });
        this.waiting.push(() => void response.writeHead(200, { 'content-type': 'application/json' }).end(answer));
        this.decided();
      });
    });
  }
}

describe.each(oneOrAll(Object.keys(ADAPTERS) as AdapterName[]))('a budget of a gateway on %s', (adapter) => {
  afterEach(stopProviders);

  it.each(requests)('spends no more than the remaining budget: %s, on %s', async (_, path, body) => {
    const biller = new Biller();
    const api_base = await biller.start();
    const params = { model: 'openai/gpt-4o', api_base, api_key: 'sk-x', input_cost_per_token: PRICE, output_cost_per_token: 0 };
    const gateway = await GatewayApp.start(
      adapter,
      {},
      {
        module: {
          rateLimit: { usdPerDay: BUDGET_USD },
          router: { numRetries: 0, modelList: [{ model_name: 'm', litellm_params: params }] },
          tokenCounter: { pricing: { overrides: { m: { inputPerMillion: PRICE * 1e6, outputPerMillion: 0 } } } },
        },
      },
    );
    try {
      const answers = Array.from({ length: PARALLEL }, async () => {
        const { status } = await gateway.post(path, { model: 'm', max_tokens: 16, ...body });
        if (status !== 200) biller.decided();
        return status;
      });
      const statuses = await Promise.all(answers);
      expect(biller.billed * PRICE).toBeLessThanOrEqual(BUDGET_USD);
      expect(statuses.filter((status) => status === 429).length).toBeGreaterThanOrEqual(PARALLEL - 1);
    } finally {
      await gateway.stop();
    }
  });
});
