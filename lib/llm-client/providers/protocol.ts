import type { OpenAIErrorBody } from '../../common/provider-error.js';
import type { AnswerUsage } from '../../http/answer-usage.js';
import type { ReadRequest } from '../request.js';

/** What is sent to one deployment. */
export interface SentRequest {
  readonly request: ReadRequest;
  /** As the provider knows it. */
  readonly model: string;
  /** What a fallback changes in the request. */
  readonly overrides: Readonly<Record<string, unknown>> | undefined;
  /** Whether the usage of a stream is asked for although the caller did not. */
  readonly addsUsage: boolean;
  /** The deployment's fields: those that the request overrides, and those that override it. */
  readonly defaults: Readonly<Record<string, unknown>> | undefined;
  readonly fixed: Readonly<Record<string, unknown>> | undefined;
}

/** What an answer of status 200 is instead: no answer at all, or an error as JSON. */
export type AnswerFault = 'malformed' | { readonly error: string };

/** What a stream begins with: too little to tell, an answer, or an error (as JSON) in its place. */
export type StreamOpening = 'undecided' | 'answer' | { readonly error: string };

/**
 * A wire protocol of providers. The client's inner language is OpenAI's chat: a protocol writes
 * such a request in its own words and reads the answers back. Each has a folder beside this file:
 * request, answer, stream, errors.
 */
export interface Protocol {
  /** The body of a request, as bytes if it is large. @throws InvalidArgumentError for no JSON */
  bodyOf(sent: SentRequest): string | Promise<Buffer>;
  /** What is wrong with a whole answer; `undefined`: nothing. */
  faultIn(answer: Buffer): AnswerFault | undefined;
  /** The usage in a whole answer, or in the last bytes of a stream. */
  usageIn(bytes: Buffer): AnswerUsage | undefined;
  /** Until a stream has begun with an answer, another deployment may be tried. */
  openingOf(bytes: Buffer): StreamOpening;
  /** The error that a stream ended with, as JSON. @param tail its last bytes */
  errorAtEnd(tail: Buffer): string | undefined;
  /** The error that a body states. */
  errorIn(body: string): Partial<OpenAIErrorBody>;
  /** Whether a body states an error in the place of an answer. */
  hasError(body: string): boolean;
}
