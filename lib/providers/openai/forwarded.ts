import { isOwnField } from '../own-fields.js';
import type { Forwarded } from '../forwarded/forwarded.js';
import type { AnswerReader, SentRequest, WireCall } from '../protocol.js';
import { faultIn } from './answer.js';
import { usageIn } from './usage.js';
import { bodyOf } from './request.js';

/** Texts as well as JSON: subtitles, plain transcripts. */
const TEXTS = /^(?:text\/|application\/x-subrip)/i;
const ANY = /^/;

/** Bytes are not events: all that can be known of them is that they have begun. */
const BYTES_READER: AnswerReader = {
  faultIn: () => undefined,
  // A stream of events (`stream_format`) can report its usage at the end.
  usageIn,
  openingOf: (bytes) => (bytes.length > 0 ? 'answer' : 'undecided'),
  errorAtEnd: () => undefined,
};

/** A request that passes as it is, but for the model's name. */
export function forwardedCall(forwarded: Forwarded, sent: SentRequest, reader: AnswerReader): WireCall {
  const { method, path, form, answer, isOfAccount } = forwarded;
  const shared = { path, method, isOfAccount, headers: form && ['content-type', form.contentType] };
  const body = bodyFor(forwarded, sent);
  if (answer === 'bytes') return { ...shared, body, reader: BYTES_READER, streamType: ANY, isBytes: true };
  return { ...shared, body, reader: { ...reader, faultIn }, textType: answer === 'text' ? TEXTS : undefined };
}

function bodyFor({ method, form, isOfAccount }: Forwarded, sent: SentRequest): WireCall['body'] {
  if (form !== undefined) return isOfAccount ? form.without(isOfGateway) : form.withModel(sent.model, isOwnField);
  if (method !== 'POST') return '';
  if (!isOfAccount) return bodyOf(sent);
  return JSON.stringify(Object.fromEntries(Object.entries(sent.body).filter(([name]) => !isOfGateway(name))));
}

/** A request to an account names a model only for the router. */
function isOfGateway(name: string): boolean {
  return name === 'model' || isOwnField(name);
}
