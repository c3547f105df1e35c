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
      `LLM client: call at-0 of chat failed (PROVIDER_SERVER, ${details})`,
      `LLM client: call at-60000 of chat failed (PROVIDER_SERVER, ${details}); 2 more since the last such line`,
      `LLM client: call at-120000 of chat failed (PROVIDER_SERVER, ${details})`,
      `LLM client: call a of chat failed (PROVIDER_TIMEOUT, ${details})`,
    ]);
  });

  it('bounds lines and names that come from callers', () => {
    const failures = new FailureLog(log);
    for (let i = 0; i < 1000; i++) failures.add(callOf(`model-${i}\n${'x'.repeat(500)}`, { id: 'req-7' }), new Error('secret words'), 0);
    expect(lines).toHaveLength(100);
    expect(lines[0]).toMatch(/^LLM client: call without an id of model-0\\x0ax{120}… failed \(Error, request req-7\)$/);
    failures.add(callOf('new'), undefined, 60_000);
    expect(lines[100]).toBe('LLM client: call without an id of new failed (unknown error)');
  });
});
