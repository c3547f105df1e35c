import { ProviderError } from '../common/provider-error.js';
import type { AnswerUsage } from '../http/answer-usage.js';
import { BodyFacts } from '../http/token-estimate/body-facts.js';
import { viewOf } from '../../test/support/layer-calls.js';
import { Attempt, type Exchange } from './attempt.js';
import { CallCancellation } from './cancellation.js';

interface Given {
  readonly body?: object;
  readonly operation?: string;
  readonly stream?: boolean;
  readonly model?: string;
  readonly exchange?: Partial<Exchange>;
  readonly usualReasoning?: number;
  readonly longest?: number | null;
  readonly mostOutput?: number;
  readonly nanoUsdOf?: (prompt: number, completion: number) => number;
}

/** An attempt with a prompt of 10 tokens; an answer of its group usually has 50. */
function attemptOf({ body = {}, operation = 'chat', stream = false, model = 'gpt-4o', exchange, longest = null, ...given }: Given = {}) {
  const facts = new BodyFacts(body as never);
  const call = {
    asked: { operation, stream, facts, maxTokens: facts.mostOutput(operation), startedAtMs: 0 },
    stream,
    attempts: 0,
    upstreamMs: 0,
    timesOn: () => ({ wholeMs: Infinity, firstChunkMs: Infinity, byCaller: {} }),
  };
  const price = (prompt: number, completion: number) =>
    given.nanoUsdOf && { usd: given.nanoUsdOf(prompt, completion) / 1e9, parts: {}, source: 'deployment' };
  const selection = { deployment: { id: 'd', provider: 'openai', model, params: {}, info: {}, priced: price }, group: 'm', model };
  const reported: string[] = [];
  const settlement = {
    ...Object.fromEntries(
      ['firstChunk', 'succeeded', 'mocked', 'attemptFailed', 'streamBroke', 'drained'].map((name) => [name, () => reported.push(name)]),
    ),
    usualOutput: () => 50,
    usualReasoning: () => given.usualReasoning,
  };
  const cancellation = new CallCancellation();
  const view = viewOf(call, { cancellation, target: { model: 'm', inputTokens: 10 } });
  const attempt = new Attempt(view, selection as never, { settlement, longestAnswerOf: () => longest } as never);
  if (given.mostOutput !== undefined) attempt.hold = { mostOutput: given.mostOutput } as never;
  const begin = () => attempt.begin({ wasSent: true, isRefused: false, receivedTokens: 0, abort: () => {}, ...exchange });
  return { attempt, begin, cancellation, reported };
}

const gone = new ProviderError({ kind: 'server', message: 'gone', provider: 'openai', deploymentId: 'd' });
const usage = (promptTokens: number, completionTokens: number): AnswerUsage => ({
  promptTokens,
  completionTokens,
  totalTokens: promptTokens + completionTokens,
});

describe('what a failed attempt has used', () => {
  const LIMITED = { max_tokens: 20, n: 2 };

  it.each<[string, Given, AnswerUsage | undefined]>([
    ['nothing before it is sent', { exchange: { wasSent: false } }, undefined],
    ['nothing if it was refused', { exchange: { isRefused: true, receivedTokens: 7 } }, undefined],
    ['its prompt without an answer', {}, usage(10, 0)],
    ['the text that has arrived', { exchange: { receivedTokens: 7 } }, usage(10, 7)],
    ['a usual answer of each choice that was cut', { body: { n: 2 }, exchange: { isCut: true } }, usage(10, 100)],
    ['no more of each choice than it asked for', { body: LIMITED, exchange: { isCut: true } }, usage(10, 40)],
    ['no more of each choice than is held', { body: LIMITED, exchange: { isCut: true }, mostOutput: 5 }, usage(10, 10)],
    ['no more of each choice than the model writes', { body: LIMITED, exchange: { isCut: true }, longest: 3 }, usage(10, 6)],
    ['no more than is held, whatever has arrived', { body: LIMITED, exchange: { isCut: true, receivedTokens: 41 } }, usage(10, 40)],
    ['nothing unseen of a stream', { stream: true, exchange: { isCut: true } }, usage(10, 0)],
  ])('is %s', (_, given, expected) => {
    const { attempt, begin } = attemptOf(given);
    begin();
    attempt.fail(gone);
    expect(attempt.used).toEqual(expected);
  });

  it('is nothing without an exchange', () => {
    const { attempt } = attemptOf();
    attempt.fail(gone);
    expect(attempt.used).toBeUndefined();
  });

  it('is a usual answer if its client has left, and for a stream what it may have reasoned', () => {
    const left = (given: Given) => {
      const { attempt, begin, cancellation } = attemptOf(given);
      begin();
      cancellation.cancel(new Error('left'));
      attempt.fail(gone);
      return attempt.used;
    };
    expect(left({})).toEqual(usage(10, 50));
    expect(left({ stream: true })).toEqual(usage(10, 0));
    expect(left({ stream: true, usualReasoning: 8 })).toEqual(usage(10, 8));
    expect(left({ stream: true, model: 'o3', body: { max_tokens: 30 } })).toEqual(usage(10, 30));
  });

  it.each<[string, AnswerUsage, Given, AnswerUsage]>([
    ['as reported within the hold', usage(10, 40), { body: LIMITED }, usage(10, 40)],
    ['as reported if only its sum fits', usage(15, 35), { body: LIMITED }, usage(15, 35)],
    ['limited in its output', usage(10, 5000), { body: LIMITED }, usage(10, 40)],
    ['limited in its prompt', usage(5000, 1), { body: LIMITED }, usage(10, 1)],
    ['limited if its cost exceeds the hold', usage(0, 50), { body: LIMITED, nanoUsdOf: (_, completion) => completion }, usage(0, 40)],
    ['as reported if its cost does not', usage(0, 50), { body: LIMITED, nanoUsdOf: (prompt) => prompt }, usage(0, 50)],
    ['limited to the longest answer without a limit', usage(10, 99_999), {}, usage(10, 16_384)],
    ['limited to the longest answer of the model', usage(10, 99_999), { longest: 70_000 }, usage(10, 70_000)],
  ])('is %s', (_, reported, given, expected) => {
    const { attempt, begin } = attemptOf(given);
    begin();
    attempt.usage = reported;
    attempt.fail(gone);
    expect(attempt.used).toEqual(expected);
  });

  it('is as reported if the deployment is not to blame', () => {
    const { attempt, begin, cancellation } = attemptOf({ body: LIMITED });
    begin();
    attempt.usage = usage(10, 5000);
    cancellation.cancel(new Error('left'));
    attempt.fail(gone);
    expect(attempt.used).toEqual(usage(10, 5000));
  });
});

describe('the usage of an answer without a report', () => {
  it.each<[string, Given, number]>([
    ['nothing', {}, 0],
    ['its text', { exchange: { receivedTokens: 7 } }, 7],
    ['its text and usual reasoning, of each choice', { body: { n: 2 }, exchange: { receivedTokens: 7 }, usualReasoning: 5 }, 17],
    ['its text and no reasoning that it shows', { exchange: { receivedTokens: 7, showsReasoning: true }, usualReasoning: 5 }, 7],
    ['all that a model may hide', { body: { max_tokens: 30, n: 2 }, exchange: { receivedTokens: 7 }, model: 'openai/o4-mini' }, 60],
    ['its text if that is more', { body: { max_tokens: 3 }, exchange: { receivedTokens: 7 }, model: 'gpt-5-mini' }, 7],
    ['what is usually hidden, if that is known', { exchange: { receivedTokens: 7 }, model: 'o3', usualReasoning: 2 }, 9],
    ['its text alone of a model that hides nothing', { body: { max_tokens: 30 }, exchange: { receivedTokens: 7 }, model: 'o1000' }, 7],
    ['its text if it is no reply', { operation: 'audio', exchange: { receivedTokens: 7 }, model: 'o3', usualReasoning: 2 }, 7],
    ['no more than the model writes', { body: { n: 2 }, exchange: { receivedTokens: 100 }, longest: 3 }, 6],
  ])('has %s', (_, given, expected) => {
    const { attempt, begin } = attemptOf(given);
    begin();
    expect(attempt.estimated()).toEqual(usage(10, expected));
  });

  it('has no text without an exchange', () => {
    expect(attemptOf({ usualReasoning: 5 }).attempt.estimated()).toEqual(usage(10, 0));
  });
});

describe('the end of an attempt', () => {
  it.each(['succeed', 'mocked', 'fail', 'breakOff'] as const)('comes once, by whichever way: %s first', (first) => {
    const { attempt, begin, reported, cancellation } = attemptOf();
    begin();
    expect(cancellation.active).toBeDefined();
    attempt[first](gone);
    expect([reported.length, cancellation.active]).toEqual([1, undefined]);
    for (const each of ['succeed', 'mocked', 'fail', 'breakOff'] as const) attempt[each](gone);
    expect(reported).toHaveLength(1);
  });

  it('throws at its beginning if the call is cancelled', () => {
    const { begin, cancellation } = attemptOf();
    cancellation.cancel(new Error('left'));
    expect(begin).toThrow(expect.objectContaining({ code: 'REQUEST_CANCELLED' }));
  });

  it('counts the time up to its answer once', () => {
    const { attempt } = attemptOf();
    attempt.sentAtMs = 100;
    attempt.answered(130);
    attempt.answered(190);
    expect(attempt.call.upstreamMs).toBe(30);
  });
});

describe('the cost of an answer', () => {
  const cents = { nanoUsdOf: (prompt: number, completion: number) => prompt + 2 * completion };

  it('is that of its usage, in whole tokens', () => {
    const { attempt } = attemptOf(cents);
    expect(attempt.answerCost).toBeUndefined();
    attempt.usage = usage(1.4, 2.5);
    expect(attempt.answerCost?.nanoUsd).toBe(7);
  });

  it('is that of an estimate only if its provider has stated a cost', () => {
    const { attempt } = attemptOf(cents);
    attempt.estimatedUsage = usage(1, 1);
    expect(attempt.answerCost).toBeUndefined();
    const stated = attemptOf({ ...cents, exchange: { statedCost: '0.5' } });
    stated.begin();
    stated.attempt.estimatedUsage = usage(1, 1);
    expect(stated.attempt.answerCost).toBeDefined();
  });

  it('is unknown without a price', () => {
    const { attempt } = attemptOf();
    attempt.usage = usage(1, 1);
    expect(attempt.answerCost).toBeUndefined();
  });
});
