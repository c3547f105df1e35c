import { errorMessage, InvalidArgumentError } from '../../../common/errors.js';
import { UnsupportedRequestError } from '../../../common/http-errors.js';
import { nextTurn } from '../../../common/next-turn.js';
import { largeJson } from '../../../http/body/large-json.js';
import { tagsIn, withoutOwn } from '../../own-fields.js';
import type { SentRequest } from '../protocol.js';

/** The body: the deployment's defaults, the request, a fallback's changes, `extra_body`. */
export function bodyOf(sent: SentRequest): string | Promise<Buffer> {
  return written(sent, () => mergedFields(sent));
}

/** Writes fields as JSON, those of a large request in steps. @throws InvalidArgumentError */
export function written(sent: SentRequest, fields: () => object): string | Promise<Buffer> {
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
  const { model, overrides, defaults, fixed } = sent;
  const fields = requestFields(sent);
  if (defaults === undefined && fixed === undefined && overrides === undefined) {
    return model === fields.model ? fields : { ...fields, model };
  }
  return { ...defaults, ...fields, ...(overrides && changesOf(overrides)), ...fixed, model: fixed?.model ?? model };
}

function requestFields({ body, request, addsUsage }: SentRequest): Readonly<Record<string, unknown>> {
  const { hasOwnFields, hasTags } = request;
  if (!hasOwnFields && !hasTags && !addsUsage) return body;
  const fields = withoutOwn(body);
  if (hasTags && tagsIn(body.metadata) !== undefined) fields.metadata = withoutTags(body.metadata as object);
  if (addsUsage) fields.stream_options = { ...(body.stream_options as object | undefined), include_usage: true };
  return fields;
}

/** What a fallback changes. Whether to stream is decided before the call begins. */
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
  // What a protocol refuses is JSON.
  if (error instanceof InvalidArgumentError || error instanceof UnsupportedRequestError) return error;
  return new InvalidArgumentError('body', body, `must be JSON (${errorMessage(error)})`);
}
