import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tableAfter } from '../project/readme-document.js';
import { ServeProcess } from '../e2e/serve/serve-process.js';
import { scripted, stopProviders } from '../support/llm-client-providers.js';
import { hasPostgres, TestDatabase } from '../support/postgres.js';
import { until } from '../support/until.js';
import { ADMIN_DIFFERENCES, type AdminDifference } from './litellm-admin-differences.js';

// Compares `serve` with what LiteLLM's proxy answered to the admin calls of its documentation
// (fixtures/litellm/admin_contract.py, which also says how to record them).

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

interface Call {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly body?: Json;
  readonly key?: string | null;
  readonly save?: Readonly<Record<string, string>>;
  /** Only names and types of fields are compared. */
  readonly shape?: boolean;
  /** Reads what the calls before have spent. */
  readonly wait?: boolean;
  readonly status: number;
  readonly answer: Json;
}

/** Where an answer of ours differs. */
interface Found {
  readonly call: string;
  readonly field: string;
  readonly text: string;
}

const MASTER = 'sk-contract-0123456789abcdef';
const file = join(__dirname, '../fixtures/litellm/admin-contract.json');
const { config, calls } = JSON.parse(readFileSync(file, 'utf8')) as { config: string; calls: readonly Call[] };
const folder = mkdtempSync(join(tmpdir(), 'admin-contract-'));

const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/\bchatcmpl-\d+\b/g, '<id>'],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, '<id>'],
  [/\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.]*(?:Z|[+-]\d\d:\d\d)?/g, '<time>'],
  [/\b\d{4}-\d\d-\d\d\b/g, '<day>'],
  [/\bsk-(?:(?:\w{12}|<\w+>)-…|[\w-]{20,})/g, '<key>'],
];

/** The public ids of keys that no call refers to. */
const tokens = new Set<string>();

/** An answer without what differs from run to run, as the recorder writes LiteLLM's. */
function normalized(value: Json, names: ReadonlyMap<string, string>): Json {
  if (Array.isArray(value)) return value.map((each: Json) => normalized(each, names));
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(
      Object.entries(value as Readonly<Record<string, Json>>).map(([name, each]) => [
        normalized(name, names) as string,
        normalized(each, names),
      ]),
    );
  if (typeof value !== 'string') return value;
  const known = [...names].sort(([, a], [, b]) => b.length - a.length);
  const named = known.reduce((text, [name, each]) => text.replaceAll(each, `<${name}>`), value);
  return tokens.has(named) ? '<hash>' : PATTERNS.reduce((text, [pattern, shown]) => text.replace(pattern, shown), named);
}

function filled<T extends Json | undefined>(value: T, names: ReadonlyMap<string, string>): T {
  return value === undefined
    ? value
    : (JSON.parse(JSON.stringify(value).replace(/\$(\w+)/g, (all, name: string) => names.get(name) ?? all)) as T);
}

const ID_FIELDS = ['model_id', 'model_group', 'team_id', 'user_id', 'budget_id', 'credential_name', 'token', 'model_name', 'id'];

/** Lists of objects in the order of their ids: proxies may return them in any. */
function sorted(list: readonly Json[]): readonly Json[] {
  const idOf = (value: Json): string => {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return JSON.stringify(value);
    const fields = value as Readonly<Record<string, Json>>;
    const { model_info: info } = fields;
    const id = info !== null && typeof info === 'object' ? (info as Readonly<Record<string, Json>>).id : undefined;
    const found = (id ?? ID_FIELDS.map((name) => fields[name]).find((each) => typeof each === 'string')) as string | undefined;
    return found ?? '';
  };
  return [...list].sort((a, b) => (idOf(a) < idOf(b) ? -1 : idOf(a) > idOf(b) ? 1 : 0));
}

const kindOf = (value: Json): string => (value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value);
const shown = (value: Json): string => JSON.stringify(value).slice(0, 100);

/** Objects whose names are models, keys, users or the like. */
const MAPS = new Set(
  'models model_groups providers endpoints api_keys entities api_key_breakdown users latest_health_checks entity_total_api_keys'.split(' '),
);
/** Texts are our own, and what was spent counts at once. */
const FIELDS = /(?:^|\.)(?:message|spend|total_spend|previous_spend)$/;

/** The first entry of a map as `*`; the recorder did the same. */
function withoutNames(value: Json, name = ''): Json {
  if (Array.isArray(value)) return value.map((each: Json) => withoutNames(each));
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value as Readonly<Record<string, Json>>);
  if (MAPS.has(name)) return Object.fromEntries(entries.slice(0, 1).map(([, each]) => ['*', withoutNames(each)]));
  return Object.fromEntries(entries.map(([key, each]) => [key, withoutNames(each, key)]));
}

/** Fields of LiteLLM's answer that ours lacks, or that have another type or value. */
function* differences(theirs: Json, ours: Json | undefined, path: string, shape: boolean): Generator<readonly [string, string]> {
  if (ours === undefined) return yield [path, `${shown(theirs)} / absent`];
  const [kind, own] = [kindOf(theirs), kindOf(ours)];
  if (kind !== own) return yield [path, `${shown(theirs)} / ${shown(ours)}`];
  if (Array.isArray(theirs) && Array.isArray(ours)) {
    const [left, right] = shape ? [theirs.slice(0, 1) as Json[], ours as Json[]] : [sorted(theirs), sorted(ours)];
    if (shape ? left.length > right.length : left.length !== right.length) yield [`${path}[]`, `${left.length} / ${right.length} entries`];
    for (const [index, each] of left.entries()) if (index < right.length) yield* differences(each, right[index], `${path}[]`, shape);
  } else if (kind === 'object') {
    const [left, right] = [theirs, ours] as Readonly<Record<string, Json>>[];
    for (const [name, each] of Object.entries(left)) yield* differences(each, right[name], path === '' ? name : `${path}.${name}`, shape);
  } else if (theirs !== ours && !shape && !FIELDS.test(path)) yield [path, `${shown(theirs)} / ${shown(ours)}`];
}

/** Differences of an answer. Errors are compared by status and shape: messages are our own. */
function* compared(call: Call, status: number, answer: Json): Generator<readonly [string, string]> {
  if (status !== call.status) yield ['status', `${call.status} / ${status}`];
  else if (status === 200) yield* differences(call.answer, call.shape === true ? withoutNames(answer) : answer, '', call.shape === true);
  if (status === 200) return;
  const { error } = answer as { error?: Record<string, unknown> };
  expect([call.path, error]).toEqual([
    call.path,
    expect.objectContaining({ message: expect.any(String) as string, type: expect.any(String) as string }),
  ]);
}

const expressions = new Map<string, RegExp>();

function matches(pattern: string, text: string): boolean {
  let expression = expressions.get(pattern);
  if (expression === undefined) {
    expression = new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`, 's');
    expressions.set(pattern, expression);
  }
  return expression.test(text);
}

/** Whether a pattern is a field's path, or its last name. */
const isField = (pattern: string, field: string): boolean => matches(pattern, field) || matches(pattern, field.split('.').at(-1)!);

/** The patterns of a difference that apply to what was found. */
function* applying(
  { calls: patterns, status, fields = [], absent = [] }: AdminDifference,
  { call, field, text }: Found,
): Generator<string> {
  const ofCall = patterns.filter((pattern) => matches(pattern, call));
  if (ofCall.length === 0) return;
  const isAbsent = text.endsWith(' / absent');
  const ofField =
    field === 'status' ? (status === text ? [status] : []) : (isAbsent ? absent : fields).filter((pattern) => isField(pattern, field));
  if (ofField.length > 0) yield* [...ofCall, ...ofField];
}

(hasPostgres ? describe : describe.skip)("LiteLLM's admin calls", () => {
  const found: Found[] = [];
  let database: TestDatabase;
  let gateway: ServeProcess;

  // LiteLLM's clients send the type without a body, too.
  const ask = (path: string, method = 'GET', body?: string, key: string | null = MASTER): Promise<Response> => {
    const headers = { 'content-type': 'application/json', ...(key !== null && { authorization: `Bearer ${key}` }) };
    return fetch(`${gateway.url}${path}`, { method, headers, body });
  };

  beforeAll(async () => {
    database = await TestDatabase.create();
    const provider = `${await scripted((incoming, response) => {
      const message = { role: 'assistant', content: 'Hello.' };
      const usage = { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 };
      const answer = { id: 'chatcmpl-1', object: 'chat.completion', created: 1_700_000_000, model: 'gpt-4o', usage };
      incoming.resume();
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ ...answer, choices: [{ index: 0, finish_reason: 'stop', message }] }));
    })}/v1`;
    const path = join(folder, 'config.yaml');
    writeFileSync(path, config.replace('$provider', provider));
    gateway = await ServeProcess.start(['--config', path, '--host', '127.0.0.1'], {
      DATABASE_URL: database.url,
      LITELLM_SALT_KEY: 'sk-salt-0123456789abcdef',
      FAST_LITELLM_ALLOWED_ADDRESSES: '127.0.0.1',
    });
    const day = (offset: number): string => new Date(Date.now() + offset).toISOString().slice(0, 10);
    const names = new Map([['provider', provider]]);
    const dates: readonly [string, string][] = [
      ['today', day(0)],
      ['tomorrow', day(86_400_000)],
    ];
    for (const call of calls) {
      if (call.wait === true) await until(async () => (await (await ask('/spend/logs?user_id=alice')).text()) !== '[]');
      const values = new Map([...names, ...dates]);
      const key = call.key === undefined ? MASTER : filled(call.key, values);
      const body = call.body === undefined ? undefined : JSON.stringify(filled(call.body, values));
      const response = await ask(filled(call.path, values), call.method, body, key);
      const text = await response.text();
      const answer = (/^[[{"]|^null$|^\d/.test(text) ? JSON.parse(text) : text) as Json;
      if (response.status === 200)
        for (const [name, field] of Object.entries(call.save ?? {})) names.set(name, (answer as Record<string, string>)[field]);
      const { token } = answer as { token?: string };
      if (token !== undefined) tokens.add(token);
      const id = `${call.method} ${call.path.split('?')[0]} [${call.name}]`;
      for (const [field, difference] of compared(call, response.status, normalized(answer, names)))
        found.push({ call: id, field, text: difference });
    }
  }, 120_000);

  afterAll(async () => {
    await gateway.kill();
    await stopProviders();
    await database.drop();
    rmSync(folder, { recursive: true });
  });

  it('are answered as by LiteLLM, except for the differences of the table', () => {
    const unexpected = found.filter((each) => ADMIN_DIFFERENCES.every((difference) => applying(difference, each).next().done === true));
    expect(unexpected.map(({ call, field, text }) => `${call} ${field}: ${text}`)).toEqual([]);
  });

  it('have errors of the framework in the shape of OpenAI, too', async () => {
    const errors = [
      await ask('/key/generate', 'POST', '{"models":'),
      await ask('/key/nothing', 'POST', '{}'),
      await ask('/team/new', 'PUT', '{}'),
    ];
    expect(errors.map(({ status }) => status)).toEqual([400, 404, 404]);
    const error = { message: expect.any(String) as string, type: 'invalid_request_error', param: null, code: null };
    expect(await Promise.all(errors.map((each) => each.json()))).toEqual([{ error }, { error }, { error }]);
  });

  it('are served without advice for apps with routes of their own', () => {
    expect(gateway.output).toMatch(/^Settings without effect:$/m);
    expect(gateway.output).not.toContain('own routes');
  });

  it('differ in all that the table names', () => {
    const unused = ADMIN_DIFFERENCES.flatMap((difference) => {
      const { calls: patterns, status, fields = [], absent = [], routes } = difference;
      const used = new Set(found.flatMap((each) => [...applying(difference, each)]));
      const named = [...patterns, ...(status === undefined ? [] : [status]), ...fields, ...absent];
      return named.filter((pattern) => !used.has(pattern)).map((pattern) => `${routes}: ${pattern}`);
    });
    expect(unused).toEqual([]);
  });
});

// To write it: `UPDATE_DOCS=1 npx jest test/contract/litellm-admin`, then prettier.
it('docs/admin-api.md has the table of differences', () => {
  const path = join(__dirname, '../../docs/admin-api.md');
  const marker = '<!-- litellm:admin -->';
  const document = readFileSync(path, 'utf8');
  const rows = ADMIN_DIFFERENCES.map(({ routes, litellm, here, reason }) => [routes, litellm, here, reason]);
  if (process.env.UPDATE_DOCS === '1') {
    const [before, after] = document.split(`${marker}\n`);
    const table = [['routes', 'LiteLLM', 'here', 'reason'], ['-', '-', '-', '-'], ...rows].map((cells) => `| ${cells.join(' | ')} |\n`);
    writeFileSync(path, `${before}${marker}\n\n${table.join('')}${after.replace(/^\n*(?:\|.*\n)*/, '')}`);
  } else expect(tableAfter(document, marker)).toEqual(rows);
});
