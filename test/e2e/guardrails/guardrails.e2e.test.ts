import type { DashboardSnapshot } from '../../../lib/dashboard/dashboard.snapshot.js';
import { guardrailsPanel } from '../../../lib/dashboard/panels/guardrails.panel.js';
import type { FastLiteLLMOptions, GuardrailEntry } from 'nestjs-fast-litellm';
import type { StartProviderOptions } from 'nestjs-fast-litellm/testing';
import { GatewayApp } from '../../support/gateway-app.js';
import { stopProviders, testProvider } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';
import { FORBIDDEN, MASK, SECRET, WordGuardrail, type WordGuardrailSettings } from '../../support/word-guardrail.js';

type Fields = Record<string, unknown>;

const opened: GatewayApp[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((app) => app.stop()));
  await stopProviders();
});

interface Setup {
  readonly params?: Fields;
  readonly settings?: WordGuardrailSettings;
  readonly provider?: StartProviderOptions;
  readonly module?: FastLiteLLMOptions;
  readonly entries?: (guardrail: WordGuardrail) => readonly GuardrailEntry[];
}

/** A gateway with one guardrail in front of a provider. */
async function start({ params = {}, settings = {}, provider = {}, module = {}, entries }: Setup) {
  const upstream = await testProvider('openai', { script: 'Hello', ...provider });
  const guardrail = new WordGuardrail(settings);
  const entry = { guardrail_name: 'words', litellm_params: { guardrail, mode: 'pre_call', default_on: true, ...params } } as GuardrailEntry;
  const app = await GatewayApp.start(
    'Fastify',
    {},
    { module: { router: { modelList: [upstream.deployment('m')] }, guardrails: entries?.(guardrail) ?? [entry], ...module } },
  );
  opened.push(app);
  const ask = async (content: string, more: Fields = {}, path = '/v1/chat/completions') => {
    const { status, headers, text } = await app.post(path, { model: 'm', messages: [{ role: 'user', content }], ...more });
    return { status, headers, text, body: (more.stream === true && status === 200 ? {} : JSON.parse(text)) as Fields };
  };
  const sent = (): string => JSON.stringify(upstream.requests.at(-1)?.body ?? null);
  return { app, ask, upstream, guardrail, sent };
}

const denial = (mode: string) => ({
  error: {
    message: 'Blocked by a rule of this app.',
    type: 'invalid_request_error',
    param: null,
    code: '400',
    provider_specific_fields: { rule: 'words', guardrail_name: 'words', guardrail_mode: mode },
  },
});

describe('a guardrail before the call', () => {
  it('masks the request before anything is sent, and is named in a header', async () => {
    const { ask, sent } = await start({});
    const { status, headers } = await ask(`my key is ${SECRET}.`);
    expect(status).toBe(200);
    expect(sent()).toContain(`my key is ${MASK}.`);
    expect(sent()).not.toContain(SECRET);
    expect(headers['x-litellm-applied-guardrails']).toBe('words');
  });

  it('denies the request in the shape of LiteLLM, and sends nothing', async () => {
    const { ask, upstream } = await start({});
    const { status, body, text } = await ask(`say ${FORBIDDEN}`);
    expect({ status, body }).toEqual({ status: 400, body: denial('pre_call') });
    expect(text).not.toContain(FORBIDDEN);
    expect(upstream.requests).toHaveLength(0);
  });

  it("denies Messages in Anthropic's shape", async () => {
    const { ask } = await start({});
    const { status, body } = await ask(FORBIDDEN, { max_tokens: 9 }, '/v1/messages');
    expect(status).toBe(400);
    expect(body).toMatchObject({ type: 'error', error: { type: 'invalid_request_error', message: 'Blocked by a rule of this app.' } });
  });

  it('shows the message of its template', async () => {
    const { ask } = await start({ params: { violation_message_template: '{guardrail_name}: {default_message} Ask IT.' } });
    const { body } = await ask(FORBIDDEN);
    expect(body).toMatchObject({ error: { message: 'words: Blocked by a rule of this app. Ask IT.' } });
  });

  it.each([
    ['system prompts', { skip_system_message_in_guardrail: true }, 'system'],
    ['results of tools', { skip_tool_message_in_guardrail: true }, 'tool'],
    ['all but results of tools', { scan_only_tool_results: true }, 'user'],
  ])('can leave out %s', async (_, params, role) => {
    const { ask, sent } = await start({ params });
    const tool = [
      { role: 'assistant', content: null, tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }] },
      { role: 'tool', tool_call_id: 'c', content: SECRET },
    ];
    const messages = [{ role: 'system', content: SECRET }, { role: 'user', content: SECRET }, ...tool];
    await ask('', { messages });
    const kept = (JSON.parse(sent()) as { messages: Fields[] }).messages
      .filter(({ content }) => content === SECRET)
      .map((each) => each.role);
    expect(kept).toContain(role);
    expect(kept.length).toBeLessThan(3);
  });

  it('refuses tokens instead of text, which it cannot read', async () => {
    const { app } = await start({});
    const { status, text } = await app.post('/v1/embeddings', { model: 'm', input: [[1, 2, 3]] });
    expect(status).toBe(400);
    expect(text).toContain('unreadable_request');
  });

  it('runs in the order of the entries, each on what the one before it has left', async () => {
    const second = new WordGuardrail();
    const { ask, guardrail } = await start({
      entries: (first) => [
        { guardrail_name: 'b', litellm_params: { guardrail: second, mode: 'pre_call', default_on: true, order: 2 } },
        { guardrail_name: 'a', litellm_params: { guardrail: first, mode: 'pre_call', default_on: true, order: 1 } },
      ],
    });
    const { headers } = await ask(SECRET);
    expect(headers['x-litellm-applied-guardrails']).toBe('a,b');
    expect([guardrail, second].map(({ inputs }) => inputs[0].texts[0].text)).toEqual([SECRET, MASK]);
  });
});

describe('a guardrail during the call', () => {
  const params = { mode: 'during_call' };

  it('lets the provider answer meanwhile, and delays only the answer', async () => {
    const { ask, upstream, guardrail } = await start({ params, settings: { delayMs: 300 } });
    const asked = ask('hi');
    await until(() => upstream.requests.length === 1);
    expect(guardrail.inputs).toHaveLength(1);
    expect((await asked).status).toBe(200);
  });

  it.each([false, true])('denies the call although its prompt was sent (stream: %s)', async (stream) => {
    const { ask, app } = await start({ params, settings: { delayMs: 100 }, provider: { script: { text: 'Hello there', delayMs: 5 } } });
    const { status, text } = await ask(FORBIDDEN, { stream });
    expect({ status, body: JSON.parse(text) as unknown }).toEqual({ status: 400, body: denial('during_call') });
    await until(() => app.llm.client.callsInFlight === 0);
    const tokens = app.llm.client.metrics().find(({ name, labels }) => name === 'llm_client_tokens_total' && labels?.direction === 'input');
    expect(tokens?.value).toBeGreaterThan(0);
  });

  it('aborts the provider at once, and charges nothing if nothing was sent', async () => {
    const { ask, app, upstream } = await start({
      params,
      settings: { delayMs: 50 },
      provider: { script: { text: 'late', delayMs: 60_000 } },
      module: {},
    });
    expect((await ask(FORBIDDEN)).status).toBe(400);
    await until(() => app.llm.client.callsInFlight === 0);
    // The request may not have been on its way yet.
    expect(upstream.requests.length).toBeLessThan(2);
    const { calls } = { calls: app.llm.client.metrics().filter(({ name }) => name === 'llm_client_calls_total') };
    expect(calls.find(({ labels }) => labels?.outcome === 'denied')?.value).toBe(1);
  });

  it('denies what it would have to change', async () => {
    const { ask } = await start({ params });
    expect(await ask(SECRET)).toMatchObject({ status: 400, body: { error: { code: '400' } } });
  });
});

describe('a guardrail after the call', () => {
  const params = { mode: 'post_call' };
  const provider = { script: { text: `The key is ${SECRET}, yes.` } };

  it('masks a whole answer', async () => {
    const { ask } = await start({ params, provider });
    expect((await ask('hi')).text).toContain(`The key is ${MASK}, yes.`);
  });

  it('denies a whole answer', async () => {
    const { ask } = await start({ params, provider: { script: FORBIDDEN } });
    const { status, body } = await ask('hi');
    expect({ status, body }).toEqual({ status: 400, body: denial('post_call') });
  });

  it('masks a stream on the fly', async () => {
    const { ask } = await start({ params, provider: { script: { ...provider.script, chunkLength: 3 } } });
    const { text } = await ask('hi', { stream: true });
    expect(contentOf(text)).toBe(`The key is ${MASK}, yes.`);
  });

  it('denies a stream with a status before anything is released', async () => {
    const { ask } = await start({ params, provider: { script: { text: `so ${FORBIDDEN} it is`, chunkLength: 4 } } });
    const { status, text } = await ask('hi', { stream: true });
    expect({ status, body: JSON.parse(text) as unknown }).toEqual({ status: 400, body: denial('post_call') });
  });

  it('denies a stream with an event after text was released', async () => {
    const long = 'All is well. '.repeat(60);
    const { ask, app } = await start({ params, provider: { script: { text: `${long}${FORBIDDEN}.`, chunkLength: 40, chunkDelayMs: 5 } } });
    const { status, text } = await ask('hi', { stream: true });
    expect(status).toBe(200);
    expect(text).toContain('All is well.');
    expect(text).not.toContain(FORBIDDEN);
    expect(text).toContain(JSON.stringify(denial('post_call')));
    expect(text).not.toContain('[DONE]');
    await until(() => app.llm.client.callsInFlight === 0);
  });

  it('lets text run ahead if it only denies, and judges the rest before the end', async () => {
    const settings = { rewrites: false, delayMs: 20 } as const;
    const long = 'All is well. '.repeat(20);
    const script = { text: `${long}${FORBIDDEN}`, chunkLength: 20 };
    const { ask } = await start({ params: { ...params, stream_run_ahead_chars: 100_000 }, settings, provider: { script } });
    const { status, text } = await ask('hi', { stream: true });
    expect(status).toBe(200);
    expect(text).toContain(JSON.stringify(denial('post_call')));
  });

  it('judges names of tools before the client gets them', async () => {
    const script = { toolCalls: [{ name: 'delete_all', arguments: {} }] };
    const { ask } = await start({ params, settings: { readsToolNames: true }, provider: { script } });
    for (const stream of [false, true]) {
      const { status, text } = await ask('hi', { stream });
      expect(status).toBe(400);
      expect(text).not.toContain('delete_all');
    }
  });

  it('reports the time that it adds to streams', async () => {
    const { ask, app } = await start({ params, provider: { script: { text: 'word '.repeat(200), chunkLength: 50 } } });
    await ask('hi', { stream: true });
    const counts = app.llm.metrics().filter(({ suffix }) => suffix === '_count');
    expect(counts.find(({ name }) => name === 'guardrail_first_text_delay_seconds')?.value).toBe(1);
    expect(counts.find(({ name }) => name === 'guardrail_text_delay_seconds')?.value).toBeGreaterThan(0);
  });
});

describe('a guardrail for logs', () => {
  it('changes only what is logged, also if nothing selects it', async () => {
    const records: Fields[] = [];
    const { ask, app, sent } = await start({
      params: { mode: 'logging_only', default_on: false },
      provider: { script: `Your key ${SECRET}` },
    });
    app.llm.client.onRecord(
      (record) => records.push({ request: record.request?.(), answer: record.answer?.(), found: record.guardrails }),
      {
        bodies: true,
      },
    );
    for (const stream of [false, true]) {
      expect((await ask(SECRET, { stream })).text.replace(/"}.*?"content":"/gs, '')).toContain(stream ? 'Your' : SECRET);
      expect(sent()).toContain(SECRET);
      await until(() => records.length === 1);
      const [record] = records.splice(0);
      expect(JSON.stringify(record)).toContain(`Your key ${MASK}`);
      expect(JSON.stringify(record)).not.toContain(SECRET);
      expect(record.found).toMatchObject([{ name: 'words', mode: 'logging_only', status: 'guardrail_intervened' }]);
    }
  });

  it('logs no bodies if it fails', async () => {
    const records: Fields[] = [];
    const { ask, app } = await start({ params: { mode: 'logging_only' }, settings: { fails: 'throws' } });
    app.llm.client.onRecord((record) => records.push({ ...record }), { bodies: true });
    expect((await ask('hi')).status).toBe(200);
    await until(() => records.length === 1);
    expect(records[0].request).toBeUndefined();
  });
});

describe('a guardrail that fails', () => {
  const open = { unreachable_fallback: 'fail_open' };
  it.each([
    ['throws', {}, 503],
    ['throws', open, 503],
    ['throws', { fail_on_error: false }, 200],
    ['unreachable', {}, 503],
    ['unreachable', open, 200],
    ['unreachable', { fail_on_error: false }, 200],
    ['hangs', { timeout: 0.05 }, 503],
    ['hangs', { timeout: 0.05, ...open }, 200],
    ['nonsense', {}, 503],
    ['nonsense', open, 503],
  ] as const)('%s with %o: %i', async (fails, more, expected) => {
    for (const mode of ['pre_call', 'during_call', 'post_call']) {
      const { ask, app } = await start({ params: { mode, ...more }, settings: { fails } });
      for (const stream of [false, true]) {
        const { status, text } = await ask('hi', { stream });
        expect({ mode, stream, status }).toEqual({ mode, stream, status: expected });
        if (status === 503)
          expect((JSON.parse(text) as { error: Fields }).error).toMatchObject({
            code: 'call_hook_failed',
            provider_specific_fields: { guardrail_name: 'words', guardrail_mode: mode },
          });
      }
      await until(() => app.llm.client.callsInFlight === 0);
    }
  });
});

describe('findings', () => {
  it('are counted for the dashboard, with the delay of streams', async () => {
    const { ask, app } = await start({ params: { mode: ['pre_call', 'post_call'] } });
    await ask(SECRET, { stream: true });
    await ask(FORBIDDEN);
    const states = app.llm.guardrails?.figures.states();
    expect(states).toMatchObject({
      guardrails: [
        { name: 'words', mode: 'pre_call', checks: 2, masked: 1, denied: 1, failed: 0 },
        { name: 'words', mode: 'post_call', masked: 0, denied: 0, failed: 0 },
      ],
    });
    const panel = String(guardrailsPanel({ guardrails: states } as DashboardSnapshot));
    expect(panel).toContain('pre_call');
    expect(panel).toContain('Streams wait');
  });

  it('are in the record of the call and in metrics, without the text', async () => {
    const records: unknown[] = [];
    const { ask, app } = await start({});
    app.llm.client.onRecord(({ guardrails, status }) => records.push({ guardrails, status }));
    await ask(`${SECRET} and ${SECRET}`);
    await ask(FORBIDDEN);
    await until(() => records.length === 2);
    expect(records).toMatchObject([
      {
        status: 'success',
        guardrails: [
          { status: 'guardrail_intervened', findings: [{ kind: 'KEY', path: 'messages.0.content', action: 'masked', count: 2 }] },
        ],
      },
      { status: 'denied', guardrails: [{ findings: [{ kind: 'WORD', action: 'blocked', count: 1 }] }] },
    ]);
    const found = app.llm.metrics().filter(({ name }) => name === 'guardrail_findings_total');
    expect(found.map(({ labels, value }) => [labels?.kind, value])).toEqual([
      ['KEY', 2],
      ['WORD', 1],
    ]);
  });
});

/** The content of a stream of chat. */
function contentOf(events: string): string {
  const data = events.split('\n').flatMap((line) => (line.startsWith('data: {') ? [JSON.parse(line.slice(6)) as Fields] : []));
  return data.map(({ choices }) => (choices as { delta?: { content?: string } }[])[0]?.delta?.content ?? '').join('');
}
