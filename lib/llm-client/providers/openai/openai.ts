import type { AnswerReader, Operation, Protocol } from '../protocol.js';
import { faultIn, usageIn } from './answer.js';
import { errorIn, hasError } from './errors.js';
import { bodyOf } from './request.js';
import { errorAtEnd, openingOf } from './stream.js';

const PATHS: Readonly<Partial<Record<Operation, string>>> = { chat: '/chat/completions', embeddings: '/embeddings' };

/** Reads answers in OpenAI's words, a provider's own or translated ones. */
export const OPENAI_READER: AnswerReader = { faultIn, usageIn, openingOf, errorAtEnd };

/** OpenAI's chat completions and embeddings. */
export const OPENAI: Protocol = {
  name: 'openai',
  call(operation, sent) {
    const path = PATHS[operation];
    return path === undefined ? undefined : { path, body: bodyOf(sent), reader: OPENAI_READER };
  },
  errorIn,
  hasError,
};
