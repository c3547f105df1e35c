import { CountedPrompt } from './counted-prompt.js';

describe('CountedPrompt', () => {
  const bodyOf = (content: unknown): { messages: unknown[] } => ({ messages: [{ role: 'user', content }] });

  it('holds for the same body', () => {
    const body = bodyOf('a');
    expect(new CountedPrompt(body, 7).isOf(body)).toBe(true);
  });

  it('does not hold for an equal body: what is learned is kept by the object', () => {
    expect(new CountedPrompt(bodyOf('a'), 7).isOf(bodyOf('a'))).toBe(false);
  });

  it.each([
    ['adds a message', (body: { messages: unknown[] }) => body.messages.push({ role: 'user', content: 'b' })],
    ['replaces a text by one of the same length', (body: { messages: unknown[] }) => (body.messages[0] = { role: 'user', content: 'b' })],
    ['adds a field', (body: object) => Object.assign(body, { tools: [] })],
  ])('does not hold once an app %s', (_, change) => {
    const body = bodyOf('a');
    const counted = new CountedPrompt(body, 7);
    change(body);
    expect(counted.isOf(body)).toBe(false);
  });

  it.each([
    ['a cycle', (body: { messages: unknown[] }) => body.messages.push(body)],
    ['a bigint', (body: { messages: unknown[] }) => body.messages.push(1n)],
  ])('never holds for a body with %s', (_, change) => {
    const body = bodyOf('a');
    change(body);
    expect(new CountedPrompt(body, 7).isOf(body)).toBe(false);
  });
});
