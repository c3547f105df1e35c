import { markdownTable } from './table.js';
import type { Verdict } from './verdict.js';

/** The README's figures: what is measured, the peer, and the target whose measured value says it. */
const HEADLINES = [
  {
    title: 'count Markdown that was never seen (`cl100k_base`)',
    target: 'cl100k_base fresh md',
    unit: ' x tiktoken',
    says: '$ times as fast as `tiktoken`',
  },
  { title: '', target: 'cl100k_base fresh md', unit: ' x best other', says: '$ times as fast as the fastest other package' },
  {
    title: 'a chat call with `LlmClient`, 16 in flight',
    target: 'LlmClient.chat, 16 in flight',
    unit: ' x less CPU than the openai SDK',
    says: '$ times less CPU than the `openai` SDK',
  },
  {
    title: 'the gateway with keys, limits, metrics and dashboard, 32 requests in flight',
    target: 'ours, all on 0.1 KB with 32 in flight, CPU',
    unit: ' x Nest Fastify + undici',
    says: '$ times the CPU of a bare Nest app that only forwards',
  },
  {
    title: 'the gateway module, 32 requests in flight (Fastify)',
    target: 'ours, Fastify, 32 connections, CPU',
    unit: ' x @portkey-ai/gateway',
    says: '$ times the CPU of `@portkey-ai/gateway`',
  },
];

/** The table of the README's first screen; nothing if one of its benches did not run. */
export function headlines(verdicts: readonly Verdict[]): string | undefined {
  const rows = HEADLINES.map(({ title, target, unit, says }) => {
    const found = verdicts.find(({ what, measured }) => what === target && measured.endsWith(unit));
    return found && [title, says.replace('$', `**${found.measured.slice(0, -unit.length)}**`)];
  });
  const complete = rows.filter((row) => row !== undefined);
  return complete.length === rows.length ? markdownTable([{ title: 'what' }, { title: 'compared with others' }], complete) : undefined;
}
