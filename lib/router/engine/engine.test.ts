import fc from 'fast-check';
import { routerEngines } from '../../../test/support/router-engines.js';
import { askedOf, routerVectors } from '../../../test/support/router-vectors.js';
import { selfTest } from './self-test.js';
import { Question } from './engine.js';
import { memoryBytes, RouterMemory } from '../state/memory.js';
import { STRATEGIES } from '../selection/strategies/registry.js';

const engines = routerEngines();

describe.each(engines.map((engine) => [engine.engine, engine] as const))('strategies, %s', (_, engine) => {
  it.each(routerVectors.cases.map((vector) => [vector.name, vector] as const))('%s', (__, vector) => {
    const { expected, question } = vector;
    const asked = askedOf(engine, vector);
    const excluded = Uint8Array.from(question.excluded ?? []);
    expect(engine.scan(asked.memory, asked.members, excluded, asked.question)).toBe(expected.scan);
    expect(asked.question[Question.count]).toBe(expected.count);
  });

  it('passes the self-test', () => expect(selfTest(engine)).toBe(true));

  it('has all strategies under their numbers', () => expect(STRATEGIES.map(({ number }) => number)).toEqual([0, 1, 2, 3, 4, 5]));

  it('keeps states without a name apart', () => {
    const [first, second] = [engine.open(null, 8), engine.open(null, 8)];
    first.inFlight[3] = 5;
    expect(second.inFlight[3]).toBe(0);
  });

  it('shares a state by its name, and gives every deployment a slot', () => {
    const name = `engine-test-${engine.engine}`;
    const [first, second] = [engine.open(name, 8), engine.open(name, 8)];
    const ids = ['a', 'b', 'a', 'c', 'd', 'e', 'f', 'g', 'h', 'i'];
    expect(ids.map((id) => engine.slot(name, id))).toEqual([0, 1, 0, 2, 3, 4, 5, 6, 7, -1]);
    first.coolingUntil[2] = 7;
    expect(second.coolingUntil[2]).toBe(7);
  });
});

const [typescript, native] = engines;

(native === undefined ? describe.skip : describe)('both engines', () => {
  const NOW = routerVectors.nowMs;
  const minute = Math.floor(NOW / 60_000);
  const limit = fc.oneof(fc.constant(Infinity), fc.constantFrom(1, 5, 20));
  const member = fc.record({
    inFlight: fc.integer({ min: 0, max: 6 }),
    elsewhereInFlight: fc.integer({ min: 0, max: 2 }),
    minute: fc.constantFrom(minute, minute - 1),
    requests: fc.integer({ min: 0, max: 6 }),
    tokens: fc.integer({ min: 0, max: 30 }),
    elsewhereMinute: fc.constantFrom(minute, minute - 1),
    elsewhereRequests: fc.integer({ min: 0, max: 3 }),
    elsewhereTokens: fc.integer({ min: 0, max: 9 }),
    coolingUntil: fc.constantFrom(0, 0, 0, NOW, NOW + 50, Infinity),
    unhealthyUntil: fc.constantFrom(0, 0, 0, NOW + 70),
    latency: fc.constantFrom(0, 10, 11, 12.5, 100),
    latencyAt: fc.constantFrom(NOW - 10, NOW - 2_000),
    firstToken: fc.constantFrom(0, 1, 2),
    firstTokenAt: fc.constantFrom(NOW - 10, NOW - 2_000),
    rpm: limit,
    tpm: limit,
    maxParallel: limit,
    maxInputTokens: limit,
    weight: fc.constantFrom(NaN, 0, 1, 2.5),
    cost: fc.constantFrom(1, 2, Number.MAX_VALUE),
    turn: fc.nat({ max: 3 }),
  });
  const vector = fc.record({
    name: fc.constant('random'),
    order: fc.integer({ min: 0, max: 5 }),
    question: fc.record({
      inputTokens: fc.constantFrom(0, 1, 7),
      random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      limits: fc.boolean(),
      anyHealth: fc.boolean(),
      buffer: fc.constantFrom(0, 0.1, 1),
      sampleTtlMs: fc.constant(1_000),
    }),
    members: fc.array(member, { minLength: 1, maxLength: 40 }),
    expected: fc.constant({ scan: 0, count: 0, wakeAtMs: 0 }),
  });

  it('give the same answer to every question', () => {
    fc.assert(
      fc.property(vector, fc.infiniteStream(fc.integer({ min: 0, max: 1 })), (question, bits) => {
        const excluded = Uint8Array.from(question.members, () => bits.next().value ?? 0);
        const answers = [typescript, native].map((engine) => {
          const asked = askedOf(engine, question);
          return [new Uint8Array(), excluded].map((mask) => [
            engine.scan(asked.memory, asked.members, mask, asked.question),
            asked.question[Question.count],
          ]);
        });
        expect(answers[1]).toEqual(answers[0]);
      }),
      { numRuns: 300 },
    );
  });

  it('reject arrays of a wrong length in the native engine', () => {
    const asked = askedOf(native, routerVectors.cases[0]);
    const members = { ...asked.members, slots: Int32Array.of(0, 1, 64) };
    expect(() => native.scan(asked.memory, members, new Uint8Array(), asked.question)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });
});

describe('the memory', () => {
  it('keeps its state when it grows, and clears one slot without the others', () => {
    const memory = new RouterMemory(new ArrayBuffer(memoryBytes(8)), 8);
    for (const slot of [2, 3]) {
      memory.inFlight[slot] = 10 + slot;
      memory.latencySamples[slot * 16 + 15] = slot;
      memory.firstTokenAt[slot] = slot;
    }
    const larger = memory.grown(16);
    expect([larger.inFlight[2], larger.latencySamples[47], larger.firstTokenAt[3], larger.inFlight[9]]).toEqual([12, 2, 3, 0]);
    larger.clear(2);
    expect([larger.inFlight[2], larger.latencySamples[47], larger.firstTokenAt[2]]).toEqual([0, 0, 0]);
    expect([larger.inFlight[3], larger.latencySamples[63], larger.firstTokenAt[3]]).toEqual([13, 3, 3]);
  });
});
