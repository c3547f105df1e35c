import { headlines } from './headlines.js';
import { atLeast, atMost } from './verdict.js';

const verdicts = [
  ...atLeast('cl100k_base fresh md', 45.8, 50, ' x tiktoken'),
  ...atLeast('cl100k_base fresh md', 26.4, 10, ' x best other'),
  ...atLeast('LlmClient.chat, 16 in flight', 10, 5, ' x less CPU than the openai SDK'),
  ...atMost('ours, all on 0.1 KB with 32 in flight, CPU', 1.9, 2, ' x Nest Fastify + undici'),
  ...atMost('ours, Fastify, 32 connections, CPU', 0.09, 0.125, ' x @portkey-ai/gateway'),
];

describe('headlines', () => {
  it('takes the figures of the README from the targets of a whole run', () => {
    expect(headlines(verdicts)).toContain('| **45.8** times as fast as `tiktoken`');
    expect(headlines(verdicts)).toContain('| **0.09** times the CPU of `@portkey-ai/gateway`');
  });

  it('is nothing when a bench did not run', () => expect(headlines(verdicts.slice(1))).toBeUndefined());
});
