import { ADAPTERS, GatewayApp, type AdapterName } from '../../support/gateway-app.js';
import { deploymentOf, scripted, stopProviders } from '../../support/llm-client-providers.js';

const MIB = 1024 * 1024;
const ANSWER = JSON.stringify({
  id: 'c',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
});
const repeated = (entry: string, bytes = 2 * MIB): string => Array.from({ length: bytes / (entry.length + 1) }, () => entry).join(',');

const NUMBERS = `{"type":"object","enum":[${repeated('0.12345')}]}`;
const TEXTS = `{"type":"object","examples":[${repeated(`"${'long \\" text '.repeat(200)}"`)}]}`;
const LISTS = `{"type":"object","examples":[${repeated('[{"a":null,"words":"a few of them, or more"}]')}]}`;
const MESSAGES = '"messages":[{"role":"user","content":"Hi"}]';
const tool = (schema: string): string => `[{"name":"f","input_schema":${schema}}]`;
const format = (schema: string): string => `{"type":"json_schema","json_schema":{"name":"a","schema":${schema}}}`;

const BODIES: readonly [what: string, path: string, fields: string, sent: string][] = [
  ['numbers in a schema of chat', 'chat/completions', `${MESSAGES},"response_format":${format(NUMBERS)}`, NUMBERS],
  ['texts in a schema of chat', 'chat/completions', `${MESSAGES},"response_format":${format(TEXTS)}`, TEXTS],
  ['lists in a field that no API has', 'chat/completions', `${MESSAGES},"vendor_field":${LISTS}`, LISTS],
  [
    'numbers in a schema of Responses',
    'responses',
    `"input":"Hi","text":{"format":{"type":"json_schema","name":"a","schema":${NUMBERS}}}`,
    NUMBERS,
  ],
  [
    'texts in a schema of Responses',
    'responses',
    `"input":"Hi","text":{"format":{"type":"json_schema","name":"a","schema":${TEXTS}}}`,
    TEXTS,
  ],
  ['lists in a tool of Messages', 'messages', `"max_tokens":9,${MESSAGES},"tools":${tool(LISTS)}`, LISTS],
  ['texts in a tool of Messages', 'messages', `"max_tokens":9,${MESSAGES},"tools":${tool(TEXTS)}`, TEXTS],
];

const most = (figures: readonly number[]): number => figures.reduce((largest, each) => Math.max(largest, each), 0);

/** What each turn of the event loop has parsed and written as JSON, in UTF-16 units. */
class WatchedTurns {
  readonly parsed: number[] = [0];
  readonly written: number[] = [0];
  private next = setImmediate(() => this.turn());
  private readonly spies = [this.count('parse', this.parsed, ([text]) => text), this.count('stringify', this.written, (_, json) => json)];

  stop(): void {
    clearImmediate(this.next);
    for (const spy of this.spies) spy.mockRestore();
  }

  private turn(): void {
    this.parsed.push(0);
    this.written.push(0);
    this.next = setImmediate(() => this.turn());
  }

  private count(name: 'parse' | 'stringify', turns: number[], of: (given: unknown[], made: unknown) => unknown): jest.SpyInstance {
    const real = JSON[name] as (...given: unknown[]) => unknown;
    return jest.spyOn(JSON, name).mockImplementation(((...given: unknown[]) => {
      const made = real.apply(JSON, given);
      turns[turns.length - 1] += String(of(given, made)).length;
      return made;
    }) as never);
  }
}

describe.each(Object.keys(ADAPTERS) as AdapterName[])('a long structure, sent to a gateway on %s', (adapter) => {
  const arrived: Buffer[] = [];
  let gateway: GatewayApp;
  beforeAll(async () => {
    const apiBase = await scripted((request, response) => {
      request.on('data', (part: Buffer) => arrived.push(part));
      request.on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end(ANSWER));
    });
    const modelList = [deploymentOf('m', { name: 'one', apiBase })];
    gateway = await GatewayApp.start(adapter, {}, { module: { router: { modelList }, rateLimit: { tokensPerMinute: 100_000_000 } } });
  });
  beforeEach(() => (arrived.length = 0));
  afterAll(async () => {
    await gateway.stop();
    await stopProviders();
  });

  it.each(BODIES)('is parsed once in a turn, and written in many: %s', async (_, path, fields, sent) => {
    const body = `{"model":"m",${fields}}`;
    const turns = new WatchedTurns();
    const { status } = await gateway.ask(`/v1/${path}`, { headers: { 'content-type': 'application/json' }, body });
    turns.stop();
    expect(status).toBe(200);
    expect(most(turns.parsed)).toBeLessThan(1.1 * body.length);
    expect(most(turns.written)).toBeLessThan(body.length / 2);
    expect(Buffer.concat(arrived).toString().includes(sent)).toBe(true);
  });
});
