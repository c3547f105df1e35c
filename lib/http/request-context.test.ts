import { FastLiteLLM } from '../fast-litellm.js';
import { reportUsage, RequestContext } from './request-context.js';

const limiter = new FastLiteLLM({
  logger: { log: () => {}, warn: () => {}, error: () => {} },
  rateLimit: { tokensPerMinute: 1000, maxConcurrent: 1 },
}).rateLimiter;

describe('RequestContext', () => {
  const begin = (key: string) => {
    const request = {};
    const context = RequestContext.of(request);
    context.hold.add(limiter, limiter.reserve(key, { tokens: 100 }));
    return { request, context, left: () => limiter.peek(key, { cost: 0 }).remainingTokens, isFree: () => limiter.peek(key).allowed };
  };

  it('is shared by a request and the raw request below it', () => {
    const raw = {};
    expect(RequestContext.of({ raw })).toBe(RequestContext.of(raw));
    expect(RequestContext.of({ raw })).not.toBe(RequestContext.of({ raw: {} }));
    const message = { raw: 'a text of the client' };
    expect(RequestContext.of(message)).toBe(RequestContext.of(message));
  });

  it('is found where it is, and made by no search', () => {
    const [raw, plain] = [{}, {}];
    const reply = { raw };
    expect([RequestContext.find(reply), RequestContext.find(plain), RequestContext.find({ raw: null })]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    const context = RequestContext.of(reply);
    expect([RequestContext.find(reply), RequestContext.find(raw)]).toEqual([context, context]);
    expect(RequestContext.find(plain)).toBeUndefined();
    const named = { raw: null };
    expect(RequestContext.of(named)).toBe(RequestContext.find(named));
  });

  it('rejects the info of a GraphQL field, whose operation is the request', () => {
    const info = { fieldName: 'answer', fieldNodes: [] };
    for (const use of [() => RequestContext.of(info), () => reportUsage(info, 10)]) {
      expect(use).toThrow("request: must be the HTTP request from the GraphQL context, not the resolver's info argument");
    }
  });

  it('settles the last report once, at the end', () => {
    const { request, context, left, isFree } = begin('last');
    reportUsage(request, 10);
    reportUsage(request, { prompt_tokens: 20 });
    expect([left(), isFree()]).toEqual([900, false]);
    context.hold.end(false);
    expect([left(), isFree()]).toEqual([980, true]);
    reportUsage(request, 30);
    context.hold.end(true);
    expect(left()).toBe(980);
  });

  it('returns the reservation after a failure, except for reported usage', () => {
    const failed = begin('failed');
    failed.context.hold.end(true);
    expect([failed.left(), failed.isFree()]).toEqual([1000, true]);
    const half = begin('half');
    reportUsage(half.request, 40);
    half.context.hold.end(true);
    expect(half.left()).toBe(960);
  });

  it('keeps the reservation until usage is reported', () => {
    const { request, context, left, isFree } = begin('unknown');
    context.hold.end(false);
    expect([left(), isFree()]).toEqual([900, true]);
    reportUsage(request, 70);
    expect(left()).toBe(930);
  });

  it('adds up the usage of several calls, also of those that end after the response', () => {
    const { context, left, isFree } = begin('calls');
    context.hold.beginCall();
    context.hold.endCall(10);
    context.hold.beginCall();
    context.hold.beginCall();
    context.hold.end(false);
    expect([left(), isFree()]).toEqual([900, true]);
    context.hold.endCall(undefined);
    context.hold.endCall(20);
    expect(left()).toBe(970);
  });

  it('does not take a report of one call for the usage of all', () => {
    const { request, context, left } = begin('one of all');
    for (const tokens of [40, 15]) {
      context.hold.beginCall();
      context.hold.endCall(tokens);
    }
    reportUsage(request, 15);
    context.hold.end(false);
    expect(left()).toBe(945);
  });

  it('settles a reservation at once that was made after the end', () => {
    const { request, context, left, isFree } = begin('late');
    context.hold.end(true);
    context.hold.add(limiter, limiter.reserve('late', { tokens: 100 }));
    expect([left(), isFree()]).toEqual([1000, true]);
    const message = begin('message');
    message.context.hold.end(false);
    reportUsage(message.request, 30);
    message.context.hold.add(limiter, limiter.reserve('message', { tokens: 100 }));
    expect([message.left(), message.isFree()]).toEqual([870, true]);
    reportUsage(message.request, 50);
    expect(message.left()).toBe(920);
    reportUsage(request, 1);
    expect(left()).toBe(1000);
  });

  it('ignores invalid usage', () => {
    const { request, context, left } = begin('nonsense');
    for (const usage of [NaN, -5, {}, { total_tokens: NaN }]) reportUsage(request, usage);
    context.hold.end(false);
    expect(left()).toBe(900);
  });
});
