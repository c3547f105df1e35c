import { errorMessage, InvalidArgumentError } from '../../common/errors.js';
import { UnsupportedRequestError } from '../../common/http-errors.js';
import { nextTurn } from '../../common/next-turn.js';
import { longWritten, writtenParts } from '../../http/body/json-writer.js';
import { largeJson } from '../../http/body/large-json.js';
import { areShort, fieldsToPass } from '../../http/body/raw-field.js';
import type { ModelRequest } from '../model-request.js';
import { tagsIn, withoutOwn } from '../own-fields.js';
import { lengthOf } from '../provider-transport.js';
import type { SentRequest, WireCall } from '../protocol.js';

/** The body: the deployment's defaults, the request, a fallback's changes, `extra_body`. */
export function bodyOf(sent: SentRequest): WireCall['body'] {
  return written(sent, () => mergedFields(sent));
}

/**
 * The request for a protocol that passes the client's fields: its long ones are `RawField`s, which
 * are forwarded as the bytes that came.
 */
export function passed(sent: SentRequest): SentRequest {
  const { request, body } = sent;
  return request.json === undefined || body !== request.body
    ? sent
    : Object.assign({}, sent, { body: fieldsToPass(request.json) as ModelRequest, passes: true });
}

/** Writes fields as JSON, those of a large request in steps. @throws InvalidArgumentError */
export function written(sent: SentRequest, fields: () => object): WireCall['body'] {
  if (sent.passes === true) return spliced(sent, fields);
  if (sent.request.isLarge) {
    const body = largeBody(sent, fields);
    // A call that is cancelled before it is sent does not wait for its body.
    body.catch(() => {});
    return body;
  }
  try {
    return JSON.stringify(fields());
  } catch (error) {
    throw notJson(sent, error);
  }
}

/**
 * Longer bodies are sent in parts: to join them would take their memory once more, and V8 collects
 * all of its heap for each 64 MB of buffers.
 */
const LONGEST_JOINED = 32 * 1024;

/** Raw fields between those that have changed. */
function spliced(sent: SentRequest, fields: () => object): WireCall['body'] {
  try {
    const made = fields() as Readonly<Record<string, unknown>>;
    if (!sent.request.isLarge || areShort(made, sent.request.json)) return joined(Object.entries(made));
    const body = longWritten(Object.entries(made))
      .then(joined)
      .catch((error: unknown) => {
        throw notJson(sent, error);
      });
    body.catch(() => {});
    return body;
  } catch (error) {
    throw notJson(sent, error);
  }
}

function joined(fields: Iterable<readonly [name: string, value: unknown]>): Buffer | readonly Buffer[] {
  const parts = writtenParts(fields);
  const length = lengthOf(parts);
  return length > LONGEST_JOINED ? parts : Buffer.concat(parts, length);
}

async function largeBody(sent: SentRequest, fields: () => object): Promise<Buffer> {
  await nextTurn();
  try {
    return await largeJson(fields());
  } catch (error) {
    throw notJson(sent, error);
  }
}

/** The deployment's defaults, the request, a fallback's changes, `extra_body`, in this order. */
export function mergedFields(sent: SentRequest): Readonly<Record<string, unknown>> {
  const { model, overrides, defaults, fixed, request, addsUsage } = sent;
  const fields = request.hasOwnFields || request.hasTags || addsUsage ? requestFields(sent) : sent.body;
  if (defaults === undefined && fixed === undefined && overrides === undefined) {
    return model === fields.model ? fields : { ...fields, model };
  }
  return { ...defaults, ...fields, ...(overrides && changesOf(overrides)), ...fixed, model: fixed?.model ?? model };
}

function requestFields({ body, request, addsUsage }: SentRequest): Readonly<Record<string, unknown>> {
  const { hasTags, sendsFallbacks } = request;
  const fields = withoutOwn(body);
  if (sendsFallbacks) fields.fallbacks = body.fallbacks;
  if (hasTags && tagsIn(body.metadata) !== undefined) fields.metadata = withoutTags(body.metadata as object);
  if (addsUsage) fields.stream_options = { ...(body.stream_options as object | undefined), include_usage: true };
  return fields;
}

/** The fields of these names that are set. */
export function pickedFields(fields: object, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([name, value]) => names.includes(name) && value !== undefined));
}

/**
 * Fields that a fallback changes. It cannot change `stream`, which is decided before the call
 * begins.
 */
export function changesOf(overrides: object): Record<string, unknown> {
  const changes = withoutOwn(overrides);
  delete changes.stream;
  delete changes.stream_options;
  if (tagsIn(changes.metadata) !== undefined) changes.metadata = withoutTags(changes.metadata as object);
  return changes;
}

/** Tags are for the router: providers accept only texts in `metadata`. */
function withoutTags(metadata: object): object | undefined {
  const others = Object.entries(metadata).filter(([key]) => key !== 'tags');
  return others.length === 0 ? undefined : Object.fromEntries(others);
}

/** Cycles, BigInt, or too deep for the stack. */
function notJson({ body }: SentRequest, error: unknown): Error {
  // Bodies that a protocol rejects are JSON.
  if (error instanceof InvalidArgumentError || error instanceof UnsupportedRequestError) return error;
  return new InvalidArgumentError('body', body, `must be valid JSON (${errorMessage(error)})`);
}
