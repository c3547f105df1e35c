import type { AnswerCost } from '../answer/answer-cost.js';
import { withCost } from './event-cost.js';

const COST: AnswerCost = { nanoUsd: 12_345, parts: { input: 12_345 }, source: 'deployment' };
const priced = (events: string, ofAnswer: AnswerCost | null = COST): string =>
  withCost(Buffer.from(events), () => ofAnswer ?? undefined).toString();
const event = (data: object, name?: string): string => `${name === undefined ? '' : `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`;
const usage = { prompt_tokens: 1, completion_tokens: 2 };
const cost = 0.000012345;

describe('withCost', () => {
  it.each([
    ['chat', event({ choices: [], usage }), event({ choices: [], usage: { ...usage, cost } })],
    ['a chunk with content', event({ choices: [{ delta: {} }], usage }), event({ choices: [{ delta: {} }], usage: { ...usage, cost } })],
    [
      'Messages',
      event({ type: 'message_delta', delta: {}, usage: { output_tokens: 2 } }, 'message_delta'),
      event({ type: 'message_delta', delta: {}, usage: { output_tokens: 2, cost } }, 'message_delta'),
    ],
    [
      'Responses',
      event({ type: 'response.completed', response: { id: 'r', usage } }, 'response.completed'),
      event({ type: 'response.completed', response: { id: 'r', usage: { ...usage, cost } } }, 'response.completed'),
    ],
    ['a provider that states one itself', event({ choices: [], usage: { cost: 9 } }), event({ choices: [], usage: { cost } })],
  ])('adds the cost to the usage of %s', (_, before, after) => {
    expect(priced(before)).toBe(after);
    expect(priced(`: ping\n\n${before}data: [DONE]\n\n`)).toBe(`: ping\n\n${after}data: [DONE]\n\n`);
    expect(priced(before.replaceAll('\n\n', '\r\n\r\n'))).toBe(after.replaceAll('\n\n', '\r\n\r\n'));
    expect(priced(before, null)).toBe(before);
  });

  it.each([
    event({ choices: [{ delta: { content: '"usage":{"a":1}' } }] }),
    event({ choices: [], usage: null }),
    event({ type: 'message_start', message: { usage } }, 'message_start'),
    event({ type: 'response.created', response: { usage: null } }),
    event({ error: { message: 'no "usage"' } }),
    'data: {"usage":{\n\n',
    'data: {"choices":[],"usage":[1]}\n\n',
    '',
  ])('leaves %j as it is', (events) => expect(priced(events)).toBe(events));
});
