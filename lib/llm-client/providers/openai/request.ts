import { errorMessage, InvalidArgumentError } from '../../../common/errors.js';
import { nextTurn } from '../../../common/next-turn.js';
import { largeJson } from '../../../http/body/large-json.js';
import type { ReadRequest } from '../../request.js';
import { tagsIn, withoutOwn } from '../../own-fields.js';
import type { SentRequest } from '../protocol.js';

/** The body: the deployment's defaults, the request, a fallback's changes, `extra_body`. */
export function bodyOf(sent: SentRequest): string | Promise<Buffer> {
  const { request } = sent;
  if (request.isLarge) return largeBody(sent);
  try {
    return JSON.stringify(fieldsOf(sent));
  } catch (error) {
    throw notJson(request, error);
  }
}

async function largeBody(sent: SentRequest): Promise<Buffer> {
  await nextTurn();
  try {
    return await largeJson(fieldsOf(sent));
  } catch (error) {
    throw notJson(sent.request, error);
  }
}

function fieldsOf({ request, model, overrides, addsUsage, defaults, fixed }: SentRequest): Readonly<Record<string, unknown>> {
  const fields = requestFields(request, addsUsage);
  if (defaults === undefined && fixed === undefined && overrides === undefined) {
    return model === fields.model ? fields : { ...fields, model };
  }
  return { ...defaults, ...fields, ...(overrides && changesOf(overrides)), ...fixed, model: fixed?.model ?? model };
}

function requestFields({ body, hasOwnFields, hasTags }: ReadRequest, addsUsage: boolean): Readonly<Record<string, unknown>> {
  if (!hasOwnFields && !hasTags && !addsUsage) return body;
  const fields = withoutOwn(body);
  if (hasTags) fields.metadata = withoutTags(body.metadata as object);
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
function notJson({ body }: ReadRequest, error: unknown): InvalidArgumentError {
  return new InvalidArgumentError('body', body, `must be JSON (${errorMessage(error)})`);
}
