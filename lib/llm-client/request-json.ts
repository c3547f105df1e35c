import { errorMessage, InvalidArgumentError } from '../common/errors.js';

/** @throws InvalidArgumentError for what is no JSON. */
export function toJson(body: object): string {
  try {
    return JSON.stringify(body);
  } catch (error) {
    throw notJson(body, error);
  }
}

/** Cycles, BigInt, a depth that ends the stack. */
export function notJson(body: object, error: unknown): InvalidArgumentError {
  return new InvalidArgumentError('body', body, `must be JSON (${errorMessage(error)})`);
}

/** `,"messages":[…]}`: everything but the model. */
export function behindModel(fields: Readonly<Record<string, unknown>>): string {
  // Nearly all clients write the model first: then nothing needs to be copied to leave it out.
  const json = toJson(fields);
  const model = `{"model":${JSON.stringify(fields.model)}`;
  if (json.startsWith(model)) return json.slice(model.length);
  const others = JSON.stringify({ ...fields, model: undefined });
  return others === '{}' ? '}' : `,${others.slice(1)}`;
}
