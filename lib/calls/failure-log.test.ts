import { ProviderError } from '../common/provider-error.js';
import { describeFailedCall } from './answer/failed-call.js';
import type { Call } from './call.js';
import { FailureLog } from './failure-log.js';

const callOf = (model: string, request?: object) => ({ asked: { model }, options: { request } }) as unknown as Call;
const failureOf = (kind: 'server' | 'timeout', id = 'a') => {
  const error = new ProviderError({ kind, message: 'secret words', provider: 'openai', deploymentId: 'east', providerRequestId: 'req_1' });
  describeFailedCall(error, { id, deploymentId: 'east', group: 'chat' });
  return error;
};

describe('FailureLog', () => {
  const lines: string[] = [];
  const log = { log: () => {}, error: () => {}, warn: (line: string) => void lines.push(line) };
  beforeEach(() => void lines.splice(0));

  it('says how many failures had no line of their own', () => {
    const failures = new FailureLog(log);
    for (const atMs of [0, 1, 59_999, 60_000, 120_000]) failures.add(callOf('chat'), failureOf('server', `at-${atMs}`), atMs);
    failures.add(callOf('chat'), failureOf('timeout'), 120_000);
    const details = 'deployment east, provider request req_1';
    expect(lines).toEqual([
      `LLM client: call at-0 to chat failed (PROVIDER_SERVER, ${details})`,
      `LLM client: call at-60000 to chat failed (PROVIDER_SERVER, ${details}); 2 more of this kind since the last line`,
      `LLM client: call at-120000 to chat failed (PROVIDER_SERVER, ${details})`,
      `LLM client: call a to chat failed (PROVIDER_TIMEOUT, ${details})`,
    ]);
  });

  it.each<[string, { status?: number; providerCode?: string }, unknown, string]>([
    [
      'the status and code of the provider',
      { status: 400, providerCode: 'bad_thing' },
      undefined,
      'PROVIDER_SERVER, status 400, bad_thing',
    ],
    ['a code that repeats the status once', { status: 529, providerCode: '529' }, undefined, 'PROVIDER_SERVER, status 529'],
    ['a code without a status', { providerCode: 'overloaded' }, undefined, 'PROVIDER_SERVER, overloaded'],
    ['no code that could be a sentence', { status: 500, providerCode: 'the prompt says' }, undefined, 'PROVIDER_SERVER, status 500'],
    ['no code of more than 64 characters', { status: 500, providerCode: 'x'.repeat(65) }, undefined, 'PROVIDER_SERVER, status 500'],
    ['a code of 64 characters', { status: 500, providerCode: 'x'.repeat(64) }, undefined, `PROVIDER_SERVER, status 500, ${'x'.repeat(64)}`],
    ['the code of the cause', {}, { code: 'ECONNRESET' }, 'PROVIDER_SERVER, ECONNRESET'],
    ['a cause of the same code once', {}, { code: 'PROVIDER_SERVER' }, 'PROVIDER_SERVER'],
  ])('logs %s', (_, facts, cause, words) => {
    const error = new ProviderError(
      { kind: 'server', message: 'secret words', provider: 'openai', deploymentId: 'east', ...facts },
      { cause },
    );
    new FailureLog(log).add(callOf('chat'), error, 0);
    expect(lines).toEqual([`LLM client: a call to chat failed (${words})`]);
  });

  it('logs the deployment that answered in place of the one that failed, once a minute and apart from failures', () => {
    const failures = new FailureLog(log);
    failures.add(callOf('chat'), failureOf('server'), 0);
    for (const atMs of [0, 59_999, 60_000]) failures.addAnswered(callOf('chat'), failureOf('server'), 'west\n', atMs);
    const words = 'a call to chat was answered by deployment west\\x0a after a failure (PROVIDER_SERVER, deployment east)';
    expect(lines.slice(1)).toEqual([`LLM client: ${words}`, `LLM client: ${words}; 1 more of this kind since the last line`]);
  });

  it.each([
    [128, 'x'.repeat(128)],
    [129, `${'x'.repeat(128)}…`],
  ])('shows a name of %s characters', (length, shown) => {
    new FailureLog(log).add(callOf('x'.repeat(length)), 'no error', 0);
    expect(lines).toEqual([`LLM client: a call to ${shown} failed (unknown error)`]);
  });

  it('bounds lines and names that come from callers', () => {
    const failures = new FailureLog(log);
    for (let i = 0; i < 1000; i++) failures.add(callOf(`model-${i}\n${'x'.repeat(500)}`, { id: 'req-7' }), new Error('secret words'), 0);
    expect(lines).toHaveLength(100);
    expect(lines[0]).toMatch(/^LLM client: a call to model-0\\x0ax{120}… failed \(Error, request req-7\)$/);
    failures.add(callOf('new'), undefined, 60_000);
    expect(lines[100]).toBe('LLM client: a call to new failed (unknown error)');
  });
});
