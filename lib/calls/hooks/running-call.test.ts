import { CallDeniedError } from '../../common/http-errors.js';
import type { CallEnd } from './call-hook.js';
import { resolveCallHookOptions } from './call-hook.js';
import { InstalledHook } from './installed-hook.js';
import { RunningCall } from './running-call.js';

const silent = { log: () => {}, warn: () => {}, error: () => {} };

function endOf(outcome: object, wasAnswered = false): CallEnd {
  const ends: CallEnd[] = [];
  const hook = new InstalledHook('Hook', { onEnd: (_call, end) => void ends.push(end) }, resolveCallHookOptions('hooks', {}), silent);
  const asked = { operation: 'chat', model: 'm', stream: false, startedAtMs: performance.now(), options: {} };
  const call = new RunningCall([hook], asked, {});
  if (wasAnswered) call.answered();
  call.ended({ retries: 0, fallbacks: 0, ...outcome });
  return ends[0];
}

it.each<[string, object, boolean, string]>([
  ['an answer', { status: 200 }, false, 'succeeded'],
  ['an answer of a hook', { status: 200 }, true, 'answered'],
  ['an error', { error: new Error('gone') }, false, 'failed'],
  ['an error after the answer of a hook', { error: new Error('gone') }, true, 'failed'],
  ['a denial', { error: Object.create(CallDeniedError.prototype) as Error }, false, 'denied'],
  ['a client that has left', { cancelled: true }, false, 'cancelled'],
  ['a client that has left, with an error', { cancelled: true, error: new Error('gone') }, true, 'cancelled'],
])('tells hooks the end of a call: %s', (_, told, wasAnswered, outcome) => {
  expect(endOf(told, wasAnswered)).toMatchObject({ outcome, retries: 0, fallbacks: 0 });
});

it('tells hooks what the call has used', () => {
  expect(endOf({ inputTokens: 1, outputTokens: 2, costUsd: 0.5, retries: 3, fallbacks: 4, status: 200 })).toMatchObject({
    inputTokens: 1,
    outputTokens: 2,
    costUsd: 0.5,
    retries: 3,
    fallbacks: 4,
    status: 200,
  });
});
