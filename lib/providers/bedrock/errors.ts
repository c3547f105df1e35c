import { type Fields, fieldsOf, jsonIn, nonEmptyString } from '../../common/objects.js';
import { errorIn as openAIErrorIn, hasError as hasOpenAIError } from '../openai/errors.js';
import type { StatedError } from '../protocol.js';

/** The status of each exception, as the service's model has them. */
const STATUSES: Readonly<Record<string, number>> = {
  accessdenied: 403,
  conflict: 400,
  expiredtoken: 403,
  incompletesignature: 403,
  internalserver: 500,
  invalidsignature: 403,
  modelerror: 424,
  modelnotready: 429,
  modelstreamerror: 424,
  modeltimeout: 408,
  resourcenotfound: 404,
  servicequotaexceeded: 400,
  serviceunavailable: 503,
  throttling: 429,
  unrecognizedclient: 403,
  validation: 400,
};
/** `com.amazon.coral.service#ThrottlingException`, `ValidationException:http://…`. */
const NAME = /^(?:[^#:]*#)?([^#:,]+)/;

/** The status that an exception has over HTTP; 500 for an unknown one. */
export function statusOf(exception: string): number {
  const name = exception.toLowerCase().replace(/(?:exception|error)$/, '');
  return (Object.hasOwn(STATUSES, name) ? STATUSES[name] : undefined) ?? STATUSES[`${name}error`] ?? 500;
}

/**
 * The error that a body states: `{ message }`, with its name in `__type` or in the header
 * `x-amzn-errortype`; or one of a stream, which is in OpenAI's format already.
 */
export function errorIn(body: string, header?: (name: string) => string | undefined): StatedError {
  if (hasOpenAIError(body)) return openAIErrorIn(body);
  const fields = fieldsIn(body);
  const named = nonEmptyString(fields.__type) ?? header?.('x-amzn-errortype');
  const type = named === undefined ? undefined : NAME.exec(named)?.[1];
  return { message: nonEmptyString(fields.message) ?? nonEmptyString(fields.Message), type, code: type };
}

/** Whether a body of status 200 is an exception. */
export function hasError(body: string): boolean {
  return hasOpenAIError(body) || (body.includes('"__type"') && nonEmptyString(fieldsIn(body).__type) !== undefined);
}

/** AWS's front end wraps its own errors: `{ "Output": { "__type": … } }`. */
function fieldsIn(body: string): Fields {
  const fields = fieldsOf(jsonIn(body));
  return Object.hasOwn(fields, 'Output') ? fieldsOf(fields.Output) : fields;
}
