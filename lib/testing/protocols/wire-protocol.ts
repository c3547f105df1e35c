import { type Fields, jsonIn } from '../../common/objects.js';
import type { ReceivedRequest } from '../received-request.js';
import type { ScriptedFinish } from '../script.js';

export type Chunk = string | Buffer;

/** `litellm_params` of a deployment. */
export type DeploymentParams = Fields & { readonly model: string };

/** Tokens that are reported. */
export interface ReplyUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
  readonly reasoningTokens: number;
}

/** A call of a tool, complete. `json`: its arguments as text. */
export interface ReplyCall {
  readonly id: string | undefined;
  readonly name: string;
  readonly json: string;
}

/** An answer with its defaults, before it takes the words of a protocol. */
export interface Reply {
  readonly text: string | undefined;
  readonly thinking: string | undefined;
  readonly refusal: string | undefined;
  readonly calls: readonly ReplyCall[];
  readonly finish: ScriptedFinish;
  readonly usage: ReplyUsage | undefined;
  readonly embeddings: readonly (readonly number[])[] | undefined;
  /** Cuts a text for a stream. */
  readonly pieces: (text: string) => string[];
  /** The next number of this provider, for ids. */
  readonly nextId: () => number;
}

/** The events of a streamed answer. */
export interface StreamedReply {
  readonly type: string;
  /** Before the content. */
  readonly head: readonly Chunk[];
  readonly content: readonly Chunk[];
  /** With finish reason and usage. */
  readonly end: readonly Chunk[];
}

/** An answer in the words of a protocol. */
export type RenderedReply = { readonly json: object } | { readonly bytes: Buffer; readonly type: string } | StreamedReply;

/** Contents of an error. */
export interface ErrorFacts {
  readonly status: number;
  readonly message: string | undefined;
  readonly code: string | undefined;
  readonly reason: 'context_window' | 'content_policy' | undefined;
}

/** An error in the words of a protocol. */
export interface RenderedError {
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A wire protocol, as a provider speaks it. */
export interface WireProtocol {
  /** Content type of streams. */
  readonly streamType: string;
  /** Of a deployment at this origin. */
  params(origin: string): DeploymentParams;
  /** `undefined`: the protocol has no such path. */
  answer(request: ReceivedRequest, reply: Reply): RenderedReply | undefined;
  error(facts: ErrorFacts): RenderedError;
  /** The body of an error whose status is 200. */
  errorInAnswer(facts: ErrorFacts): object;
  /** The error as an event of the stream that this request asks for. */
  errorEvent(facts: ErrorFacts, request: ReceivedRequest): Chunk;
  /** An event in the protocol's framing. */
  event(data: object): Chunk;
}

export const EVENT_STREAM = 'text/event-stream; charset=utf-8';

/** The arguments of a call for the protocols that send objects. */
export function inputOf({ json }: ReplyCall): unknown {
  const input = jsonIn(json);
  return input === undefined ? json : input;
}

/** Eight figures between -1 and 1, always the same for a text. */
export function vectorOf(text: string): number[] {
  let state = 7;
  for (let at = 0; at < text.length; at++) state = (state * 31 + text.charCodeAt(at)) >>> 0;
  return Array.from({ length: 8 }, (_, at) => Math.fround(Math.round(Math.sin(state + at) * 1e6) / 1e6));
}

/** A chunk for each piece of a block; the block's start and end come with its first and last. */
export function chunksOf(start: readonly Chunk[], pieces: readonly Chunk[], end: readonly Chunk[]): Chunk[] {
  if (pieces.length === 0) return [joined([...start, ...end])];
  const last = pieces.length - 1;
  return pieces.map((piece, at) => joined([...(at === 0 ? start : []), piece, ...(at === last ? end : [])]));
}

function joined(chunks: readonly Chunk[]): Chunk {
  return chunks.every((chunk) => typeof chunk === 'string') ? chunks.join('') : Buffer.concat(chunks.map((chunk) => Buffer.from(chunk)));
}
