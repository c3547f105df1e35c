import { createHash } from 'node:crypto';

/** The value of an attribute; `null` and `undefined` are omitted. */
export type AttributeValue = string | number | boolean | readonly string[] | null | undefined;
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** One span, with times in Unix seconds. */
export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: 'internal' | 'server' | 'client';
  readonly startTime: number;
  readonly endTime: number;
  readonly attributes: Attributes;
  /** Error code of a failed span; `undefined` for success. */
  readonly error?: string;
}

const KINDS = { internal: 1, server: 2, client: 3 } as const;
const STATUS = { ok: 1, error: 2 } as const;
const SCOPE = 'nestjs-fast-litellm';
const TRACE_ID = /^(?!0{32})[\da-f]{32}$/;

/**
 * Builds an export request in JSON:
 * https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
 */
export function traceRequest(resource: Attributes, spans: readonly Span[]): string {
  return JSON.stringify({
    resourceSpans: [
      { resource: { attributes: attributesOf(resource) }, scopeSpans: [{ scope: { name: SCOPE }, spans: spans.map(encoded) }] },
    ],
  });
}

/**
 * Returns 32 hex digits: the text itself if it already is an id, with or without dashes, otherwise
 * its hash.
 */
export function traceIdOf(text: string): string {
  const plain = text.replace(/-/g, '').toLowerCase();
  return TRACE_ID.test(plain) ? plain : hashOf(text, 32);
}

/**
 * Returns 16 hex digits derived from the texts, so that a payload sent twice yields the same span.
 */
export function spanIdOf(...texts: readonly string[]): string {
  return hashOf(texts.join('\n'), 16);
}

function hashOf(text: string, digits: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, digits);
}

function encoded({ traceId, spanId, parentSpanId, name, kind, startTime, endTime, attributes, error }: Span): object {
  return {
    traceId,
    spanId,
    ...(parentSpanId !== undefined && { parentSpanId }),
    name,
    kind: KINDS[kind],
    startTimeUnixNano: nanosOf(startTime),
    endTimeUnixNano: nanosOf(Math.max(startTime, endTime)),
    attributes: attributesOf(attributes),
    status: error === undefined ? { code: STATUS.ok } : { code: STATUS.error, message: error },
  };
}

/** A decimal string, because a JSON number cannot hold 64 bits. */
function nanosOf(seconds: number): string {
  return `${Math.round(seconds * 1e6)}000`;
}

function attributesOf(attributes: Attributes): object[] {
  const set = Object.entries(attributes).filter(([, value]) => value !== undefined && value !== null);
  return set.map(([key, value]) => ({ key, value: valueOf(value) }));
}

function valueOf(value: AttributeValue): object {
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number') return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  if (Array.isArray(value)) return { arrayValue: { values: value.map(valueOf) } };
  return { stringValue: String(value) };
}
