import { BodyFacts, type FactsMemory } from './body-facts.js';

type Body = Record<string, unknown> & { messages: unknown[] };

const bodyOf = (content: unknown): Body => ({ messages: [{ role: 'user', content }] });

describe('BodyFacts.known', () => {
  it('returns the facts that the request has kept of its body', () => {
    const body = bodyOf('a');
    const memory: FactsMemory = { facts: undefined };
    const facts = BodyFacts.of(body, memory);
    expect(BodyFacts.of(body, memory)).toBe(facts);
    expect(BodyFacts.known(body, memory)).toBe(facts);
  });

  it('returns nothing for an equal body: what is learned is kept by the object', () => {
    const memory: FactsMemory = { facts: undefined };
    BodyFacts.of(bodyOf('a'), memory);
    expect(BodyFacts.known(bodyOf('a'), memory)).toBeUndefined();
  });

  it('returns nothing for a body that no guard has seen', () => {
    expect(BodyFacts.known(bodyOf('a'), undefined)).toBeUndefined();
  });

  it.each<[string, (body: Body) => unknown]>([
    ['adds a message', (body) => body.messages.push({ role: 'user', content: 'b' })],
    ['replaces a text by one of the same length', (body) => (body.messages[0] = { role: 'user', content: 'b' })],
    ['adds a field', (body) => Object.assign(body, { tools: [] })],
  ])('returns nothing once an app %s', (_, change) => {
    const body = bodyOf('a');
    const memory: FactsMemory = { facts: undefined };
    const facts = BodyFacts.of(body, memory);
    change(body);
    expect(BodyFacts.known(body, memory)).toBeUndefined();
    expect(BodyFacts.of(body, memory)).not.toBe(facts);
  });

  it.each<[string, (body: Body) => unknown]>([
    ['a cycle', (body) => body.messages.push(body)],
    ['a bigint', (body) => body.messages.push(1n)],
  ])('returns nothing for a body with %s, which JSON cannot compare', (_, change) => {
    const body = bodyOf('a');
    change(body);
    const memory: FactsMemory = { facts: undefined };
    BodyFacts.of(body, memory);
    expect(BodyFacts.known(body, memory)).toBeUndefined();
  });
});

describe('BodyFacts', () => {
  it('computes each fact once', () => {
    const reads: PropertyKey[] = [];
    const body = new Proxy<Body>(
      { ...bodyOf('a'), max_tokens: 5, service_tier: 'priority', tools: [{ type: 'web_search' }] },
      {
        get: (target, name) => (reads.push(name), Reflect.get(target, name) as unknown),
      },
    );
    const facts = new BodyFacts(body);
    expect([facts.output.tokens, facts.tier, facts.hasSound, facts.searches]).toEqual([5, 'priority', false, 10]);
    reads.length = 0;
    expect([facts.output.tokens, facts.tier, facts.hasSound, facts.searches]).toEqual([5, 'priority', false, 10]);
    expect(reads).toEqual([]);
  });

  it.each<[object, string, { isLimited: boolean; isUnlimited: boolean; mostOutput: number | undefined }]>([
    [{}, 'chat', { isLimited: false, isUnlimited: false, mostOutput: undefined }],
    [{ max_tokens: 5 }, 'chat', { isLimited: true, isUnlimited: false, mostOutput: 5 }],
    [{ max_tokens: null }, 'chat', { isLimited: false, isUnlimited: true, mostOutput: undefined }],
    [{ max_tokens: 5 }, 'responses', { isLimited: false, isUnlimited: true, mostOutput: 16_384 }],
    [{ max_output_tokens: 20_000 }, 'chat', { isLimited: false, isUnlimited: true, mostOutput: 20_000 }],
    [{ max_tokens: 5, additional_drop_params: ['max_tokens'] }, 'chat', { isLimited: false, isUnlimited: true, mostOutput: 16_384 }],
  ])('reads from %j for %s whether its output is limited', (fields, operation, { isLimited, isUnlimited, mostOutput }) => {
    const facts = new BodyFacts({ ...bodyOf('a'), ...fields });
    expect(facts.isLimited(operation)).toBe(isLimited);
    expect(facts.isUnlimited(operation)).toBe(isUnlimited);
    expect(facts.mostOutput(operation)).toBe(mostOutput);
  });

  it.each([
    [{}, false],
    [{ background: false }, false],
    [{ background: null }, false],
    [{ background: true }, true],
    [{ Back_Ground: 'yes' }, true],
    [{ generationConfig: { background: true } }, false],
  ])('reads from %j whether it runs in the background: %s', (fields, isBackground) => {
    expect(new BodyFacts(fields).output.isBackground).toBe(isBackground);
  });

  it('reads dropped parameters from the body, because its outline has marks instead of long texts', () => {
    const body = { ...bodyOf('a'), max_tokens: 5, additional_drop_params: ['max_tokens'] };
    expect(new BodyFacts(body, { ...body, additional_drop_params: ['a mark'] }).isLimited('chat')).toBe(false);
  });
});
