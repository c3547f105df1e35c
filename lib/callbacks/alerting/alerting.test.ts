import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FastLiteLLM, setPrincipal, type FastLiteLLMOptions } from 'nestjs-fast-litellm';
import { deploymentOf, HELLO, scripted, stopProviders } from '../../../test/support/llm-client-providers.js';
import { SinkServer } from '../../../test/support/sink-server.js';
import { until } from '../../../test/support/until.js';
import { AlertDigest, type Digest } from './alert-digest.js';

let sink: SinkServer;
const lines: string[] = [];
const logger = { log: () => {}, warn: (line: string) => void lines.push(line), error: () => {} };
const opened: FastLiteLLM[] = [];
let folder: string;

beforeEach(async () => {
  lines.length = 0;
  folder = mkdtempSync(join(tmpdir(), 'alerting-'));
  sink = await SinkServer.start();
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((llm) => llm.close()));
  await stopProviders();
  await sink.stop();
  rmSync(folder, { recursive: true });
});

function open(options: FastLiteLLMOptions): FastLiteLLM {
  const env = { SLACK_WEBHOOK_URL: `${sink.url}/slack`, WEBHOOK_URL: `${sink.url}/hook`, PROXY_BASE_URL: 'https://gateway.example' };
  const llm = new FastLiteLLM({ logger, ...options }, { env });
  opened.push(llm);
  return llm;
}

const sent = (path: string): Record<string, unknown>[] =>
  sink.requests.filter((request) => request.path === path).map(({ body }) => JSON.parse(body) as Record<string, unknown>);
const slackTexts = (): string[] => sent('/slack').map(({ text }) => String(text));
const failing = async (name: string) => ({
  name,
  apiBase: await scripted((_, response) => response.writeHead(500).end('{"error":{"message":"my secret prompt"}}')),
});
const answering = async (name: string) => {
  const choices = [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }];
  const usage = { prompt_tokens: 10, completion_tokens: 20, total_tokens: 30 };
  const answer = JSON.stringify({ id: 'c', object: 'chat.completion', model: 'gpt-4o', choices, usage });
  return {
    name,
    apiBase: await scripted((_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(answer)),
  };
};

describe('alerts', () => {
  it('that Slack does not accept are kept in memory, and no option is suggested that would not help', async () => {
    const errors: string[] = [];
    const modelList = [deploymentOf('group', await failing('a'))];
    const log = { log: () => {}, warn: () => {}, error: (line: string) => void errors.push(line) };
    const llm = new FastLiteLLM(
      { logger: log, router: { modelList, numRetries: 0 }, alerting: { channels: ['slack'] } },
      // Nothing listens on this port.
      { env: { SLACK_WEBHOOK_URL: 'http://127.0.0.1:1/slack' } },
    );
    opened.push(llm);
    await llm.client.chat({ model: 'group', messages: HELLO }).catch(() => {});
    await until(() => errors.some((line) => line.startsWith('Callbacks: slack is unavailable')));
    expect(errors.join('\n')).toMatch(/slack is unavailable \([\w ]+\); payloads are kept in memory$/m);
    expect(errors.join('\n')).not.toContain('spillFolder');
  });

  it('of failing deployments reach Slack and the webhook, one message for each type', async () => {
    const modelList = [deploymentOf('group', await failing('a')), deploymentOf('group', await failing('b'))];
    const configPath = join(folder, 'config.json');
    writeFileSync(
      configPath,
      JSON.stringify({
        model_list: modelList,
        router_settings: { num_retries: 0, allowed_fails: 11 },
        general_settings: { alerting: ['slack', 'webhook'] },
      }),
    );
    const llm = open({ router: { configPath } });
    for (let i = 0; i < 30; i++) await llm.client.chat({ model: 'group', messages: HELLO }).catch(() => {});
    await llm.close();
    const texts = slackTexts();
    const types = texts.map((text) => /Alert type:\* `(\w+)`/.exec(text)?.[1]);
    expect([...new Set(types)].sort()).toEqual(['cooldown_deployment', 'llm_exceptions', 'outage_alerts']);
    // The first one soon, and the rest when the app closes.
    expect(types.length).toBeLessThanOrEqual(6);
    const of = (type: string): string => texts.filter((text) => text.includes(type)).join('\n');
    expect(of('llm_exceptions')).toMatch(
      /Level: `High`\nTimestamp: `[\d:]{8}` \(UTC\)\n\nMessage: Calls to group are failing \(\w+, deployment/,
    );
    expect(of('llm_exceptions')).toMatch(/\(\d+ times\)/);
    expect(of('llm_exceptions')).toContain('Proxy URL: `https://gateway.example`');
    expect(of('outage_alerts')).toMatch(/Deployment \S+ \(group\) has a minor outage: 5 of 5 attempts failed within 60 s/);
    expect(of('outage_alerts')).toMatch(/has a major outage: 10 of 10/);
    expect(of('cooldown_deployment')).toMatch(/Deployment \S+ \(group\) is in cooldown for \d+ s/);
    const events = sent('/hook').filter(({ event }) => event === 'outage_alerts');
    expect(events.reduce((sum, { count }) => sum + Number(count), 0)).toBe(4);
    expect(events[0]).toMatchObject({
      event_group: 'proxy',
      event_message: expect.stringContaining('minor outage') as string,
      spend: 0,
      max_budget: null,
      token: null,
    });
    expect(JSON.stringify(sink.requests)).not.toContain('my secret prompt');
  });

  it('of budgets name the key and its owner, each mark once, in the JSON of LiteLLM', async () => {
    const modelList = [deploymentOf('group', await answering('a'), { input_cost_per_token: 0, output_cost_per_token: 0.01 })];
    const llm = open({ router: { modelList }, alerting: { channels: ['slack', 'webhook'], types: ['budget_alerts'] } });
    const request = {};
    const principal = { limitKey: 'key:k1', keyId: 'k1', alias: 'mine', user: 'ann', team: 'red', tags: [], metadata: {} };
    setPrincipal(request, { ...principal, isAdmin: false, mayCall: () => true });
    await llm.client.chat({ model: 'group', messages: HELLO }, { request });
    const limits = { limit: 'api-key', limits: { usdTotal: 1 } } as const;
    const spend = (key: string, usd: number): void => llm.rateLimiter.settle(llm.rateLimiter.reserve(key, { ...limits, usd }), { usd });
    for (const usd of [0.5, 0.32, 0.14, 0.04]) spend('key:k1', usd);
    spend('team:red', 0.85);
    await llm.close();
    const [first, second, last, ofTeam, ...others] = sent('/hook');
    expect(first).toEqual({
      event: 'threshold_crossed',
      event_group: 'key',
      event_message: 'The budget of mine (k1) (api-key) is 80 % spent: 0.82 of 1 USD',
      spend: 0.82,
      max_budget: 1,
      soft_budget: null,
      token: 'k1',
      customer_id: null,
      user_id: 'ann',
      team_id: 'red',
      team_alias: null,
      organization_id: null,
      user_email: null,
      key_alias: 'mine',
      projected_exceeded_date: null,
      projected_spend: null,
      alert_type: 'budget_alerts',
      level: 'High',
      count: 1,
    });
    expect(second).toMatchObject({ event: 'threshold_crossed', spend: 0.96 });
    expect(last).toMatchObject({
      event: 'budget_crossed',
      spend: 1,
      event_message: expect.stringContaining('is exhausted: 1 of 1') as string,
    });
    expect(ofTeam).toMatchObject({ event_group: 'team', team_id: 'red', token: null });
    expect(others).toEqual([]);
    expect(slackTexts()).toHaveLength(1);
    expect(slackTexts()[0]).toContain('The budget of mine (k1) (api-key) is exhausted: 1 of 1 USD');
  });

  it('of soft budgets have an event of their own, once', async () => {
    const llm = open({ alerting: { channels: ['webhook'] } });
    const alert = {
      limit: 'teams',
      key: 'team:red',
      period: 'total',
      mark: 1,
      isSoft: true,
      limitUsd: 2,
      spentUsd: 2.5,
      heldUsd: 0,
    } as const;
    llm.alerting?.budgetCrossed(alert);
    llm.alerting?.budgetCrossed(alert);
    await llm.close();
    expect(sent('/hook')).toMatchObject([
      {
        event: 'soft_budget_crossed',
        event_group: 'team',
        team_id: 'red',
        soft_budget: 2,
        max_budget: null,
        spend: 2.5,
        event_message: 'The soft budget of red (teams) is exhausted: 2.5 of 2 USD',
        level: 'Medium',
        count: 1,
      },
    ]);
  });

  it('of slow calls name the model', async () => {
    const modelList = [deploymentOf('group', await answering('a'))];
    const llm = open({ router: { modelList }, alerting: { channels: ['slack'], slowSeconds: 0.001 } });
    await llm.client.chat({ model: 'group', messages: HELLO });
    await llm.close();
    expect(slackTexts()).toEqual([expect.stringContaining('Message: Calls to group take longer than 0.001 s')]);
  });

  it('of a store are raised once, until it is in order again', async () => {
    const llm = open({ alerting: { channels: ['webhook'] } });
    const problem: Record<string, string> = { spend_log: 'the database is away (ECONNREFUSED)' };
    for (const problems of [problem, problem, {}, problem]) llm.alerting?.watchStores(problems);
    await llm.close();
    expect(sent('/hook')).toMatchObject([
      { alert_type: 'db_exceptions', count: 2, event_message: 'spend_log: the database is away (ECONNREFUSED)' },
    ]);
  });

  it('are sent again after an outage of Slack, which shows in health', async () => {
    sink.reply = (_, number) => (number === 1 ? 500 : 200);
    const llm = open({ alerting: { channels: ['slack'] } });
    llm.alerting?.watchStores({ keys: 'away' });
    await until(() => llm.alerting?.health().status === 'degraded');
    expect(llm.alerting?.health().reason).toBe('slack: the sink is unavailable (status 500)');
    await until(() => sink.requests.length === 2);
    await until(() => llm.alerting?.health().status === 'ok');
  });

  it('have an address for each type', async () => {
    const urlsByType = { db_exceptions: [`${sink.url}/a`, `${sink.url}/b`] };
    const llm = open({ alerting: { channels: ['slack'], urlsByType } });
    llm.alerting?.watchStores({ keys: 'away' });
    llm.alerting?.cooledDown({ id: 'd', group: 'g', seconds: 5, cause: 'timeout' });
    await llm.close();
    expect(sink.requests.map(({ path }) => path).sort()).toEqual(['/a', '/b', '/slack']);
  });

  it('of the file that have no effect are reported, and nothing is opened without an address', async () => {
    const path = join(folder, 'config.json');
    const general = {
      alerting: ['slack', 'email'],
      alert_types: ['llm_exceptions', 'daily_reports'],
      alerting_args: { budget_alert_ttl: 60, daily_report_frequency: 1 },
    };
    writeFileSync(path, JSON.stringify({ model_list: [], general_settings: general }));
    const llm = new FastLiteLLM({ logger, router: { configPath: path } }, { env: {} });
    opened.push(llm);
    expect(llm.alerting?.warnings).toEqual([
      `${path}: general_settings.alerting: email has no effect here; use slack or webhook`,
      `${path}: general_settings.alerting_args: these settings have no effect here: daily_report_frequency`,
      expect.stringMatching(
        /general_settings\.alert_types: these alert types have no effect here: daily_reports; use llm_exceptions, llm_too_slow/,
      ),
      `${path}: alerts are not sent to slack (SLACK_WEBHOOK_URL is not set); set it, or remove slack from alerting`,
    ]);
    expect(llm.alerting?.isEmpty).toBe(true);
    expect(lines).toEqual(expect.arrayContaining([...(llm.alerting?.warnings ?? [])]));
    await llm.close();
  });

  it.each([
    [{ channels: ['slack'] }, {}, 'SLACK_WEBHOOK_URL: must be set to send alerts to slack'],
    [{ channels: ['email'] }, {}, 'alerting.channels[0]: must be one of slack, webhook'],
    [{ channels: ['webhook'] }, { WEBHOOK_URL: 'secret' }, 'WEBHOOK_URL: must be an http:// or https:// URL'],
    [{ digestSeconds: 0 }, {}, 'alerting.digestSeconds: must be a positive integer'],
  ])('of the options %j are refused', (alerting, env, message) => {
    expect(() => new FastLiteLLM({ logger, alerting: alerting as never }, { env })).toThrow(message);
  });

  it('are not loaded without any', () => {
    expect(open({}).alerting).toBeUndefined();
  });
});

describe('a digest', () => {
  it('sends the first alerts soon, and those within the interval as one message', async () => {
    const digests: Digest[] = [];
    const digest = new AlertDigest(60_000, (each) => void digests.push(each));
    const add = (message: string): void => digest.add({ type: 'llm_exceptions', level: 'Low', message });
    for (let i = 0; i < 1_000; i++) add('first');
    await until(() => digests.length === 1);
    for (let i = 0; i < 1_000; i++) add(`later ${i}`);
    digest.add({ type: 'llm_exceptions', level: 'High', message: 'later 0' });
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(digests).toHaveLength(1);
    digest.close();
    expect(digests.map(({ count, level, entries }) => [count, level, entries.length])).toEqual([
      [1_000, 'Low', 1],
      [1_001, 'High', 100],
    ]);
    expect(digests[1].entries[0]).toMatchObject({ count: 2, alert: { message: 'later 0' } });
  });
});
