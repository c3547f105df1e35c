import { jsonIn } from '../../../common/objects.js';
import { randomBytes } from 'node:crypto';
import type { ThinkingBlock } from '../chat-types.js';

export type ItemStatus = 'in_progress' | 'completed' | 'incomplete';

export interface OutputText {
  readonly type: 'output_text';
  readonly text: string;
  readonly annotations: readonly object[];
  readonly logprobs: readonly unknown[];
}

export interface Refusal {
  readonly type: 'refusal';
  readonly refusal: string;
}

export type MessagePart = OutputText | Refusal;

export interface MessageItem {
  readonly type: 'message';
  readonly id: string;
  readonly status: ItemStatus;
  readonly role: 'assistant';
  readonly content: readonly MessagePart[];
}

export interface SummaryText {
  readonly type: 'summary_text';
  readonly text: string;
}

export interface ReasoningItem {
  readonly type: 'reasoning';
  readonly id: string;
  readonly summary: readonly SummaryText[];
  readonly encrypted_content: string;
}

export interface FunctionCallItem {
  readonly type: 'function_call';
  readonly id: string;
  readonly status: ItemStatus;
  readonly call_id: string;
  readonly name: string;
  readonly namespace?: string;
  readonly arguments: string;
}

/** Items that a bridged response can contain. */
export type OutputItem = MessageItem | ReasoningItem | FunctionCallItem;

/** Ids of one response, of its own and of its items. */
export class ResponseIds {
  private readonly base = randomBytes(16).toString('hex');

  get response(): string {
    return `resp_${this.base}`;
  }

  item(type: OutputItem['type'], index: number): string {
    const prefix = type === 'message' ? 'msg' : type === 'reasoning' ? 'rs' : 'fc';
    return `${prefix}_${this.base}${index.toString(16).padStart(4, '0')}`;
  }
}

export function textPart(text: string, logprobs: readonly unknown[] = []): OutputText {
  return { type: 'output_text', text, annotations: [], logprobs };
}

export function messageItem(id: string, status: ItemStatus, content: readonly MessagePart[]): MessageItem {
  return { type: 'message', id, status, role: 'assistant', content };
}

export function functionCallItem(
  id: string,
  status: ItemStatus,
  call: Pick<FunctionCallItem, 'call_id' | 'name' | 'namespace' | 'arguments'>,
): FunctionCallItem {
  return { type: 'function_call', id, status, ...call };
}

/** Sealed even without blocks: the AI SDK returns only sealed reasoning where `store` is false. */
export function reasoningItem(id: string, text: string, blocks: readonly ThinkingBlock[] = []): ReasoningItem {
  return { type: 'reasoning', id, summary: text === '' ? [] : [{ type: 'summary_text', text }], encrypted_content: sealed(blocks) };
}

/** Tells our `encrypted_content` from that of OpenAI. */
const SEAL = 'thinking_blocks:';

/** Signed thinking travels in `encrypted_content`, which clients return as it is. */
function sealed(blocks: readonly ThinkingBlock[]): string {
  return SEAL + Buffer.from(JSON.stringify(blocks)).toString('base64');
}

/** Whether an `encrypted_content` is ours, which other providers cannot read. */
export function isSealed(encrypted: unknown): encrypted is string {
  return typeof encrypted === 'string' && encrypted.startsWith(SEAL);
}

/** The JSON that `sealed` wrote; `undefined` for anything else. */
export function sealedIn(encrypted: unknown): string | undefined {
  if (!isSealed(encrypted)) return undefined;
  return Buffer.from(encrypted.slice(SEAL.length), 'base64').toString('utf8');
}

/** The thinking blocks of sealed JSON; `undefined` for anything else. */
export function thinkingBlocksIn(json: string): readonly ThinkingBlock[] | undefined {
  const blocks = jsonIn(json);
  return Array.isArray(blocks) ? (blocks as ThinkingBlock[]) : undefined;
}
