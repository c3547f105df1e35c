import type { ThinkingBlock } from '../../providers/openai/chat-types.js';

/**
 * Google's clients return the `thoughtSignature` of each part, as bytes in base64. Those of other
 * models are marked, because each model takes only its own.
 */
const THINKING = 'thinking:';
const REDACTED = 'redacted_thinking:';
const LONGEST_MARK = 32;

/** The signature of a thinking block, for a part of Google's. */
export function signatureOf({ type, signature = '', data = '' }: ThinkingBlock): string | undefined {
  if (type === 'redacted_thinking') return Buffer.from(REDACTED + data).toString('base64');
  return signature === '' ? undefined : Buffer.from(THINKING + signature).toString('base64');
}

/** The thinking block of a signed thought; `undefined`: another model has signed it. */
export function thinkingBlockOf(thinking: string, signature: string): ThinkingBlock | undefined {
  if (!isMarked(signature)) return undefined;
  const text = Buffer.from(signature, 'base64').toString('utf8');
  if (text.startsWith(REDACTED)) return { type: 'redacted_thinking', data: text.slice(REDACTED.length) };
  return { type: 'thinking', thinking, signature: text.slice(THINKING.length) };
}

function isMarked(signature: string): boolean {
  const head = Buffer.from(signature.slice(0, LONGEST_MARK), 'base64').toString('latin1');
  return head.startsWith(THINKING) || head.startsWith(REDACTED);
}
