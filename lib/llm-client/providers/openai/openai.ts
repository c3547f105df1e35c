import type { AnswerReader, Operation, Protocol } from '../protocol.js';
import { faultIn, usageIn } from './answer.js';
import { errorIn, hasError } from './errors.js';
import { hasCompletions, hasResponses } from './own-apis.js';
import { bodyOf } from './request.js';
import { responsesCall } from './responses/responses.js';
import { errorAtEnd, openingOf } from './stream.js';

const PATHS: Readonly<Partial<Record<Operation, string>>> = {
  chat: '/chat/completions',
  completions: '/completions',
  embeddings: '/embeddings',
};

/** Reads answers in OpenAI's words, a provider's own or translated ones. */
export const OPENAI_READER: AnswerReader = { faultIn, usageIn, openingOf, errorAtEnd };

/** OpenAI's chat and embeddings; completions and Responses where the provider has them. */
export const OPENAI: Protocol = {
  name: 'openai',
  call(operation, sent) {
    if (operation === 'responses') return hasResponses(sent) ? responsesCall(sent) : undefined;
    const path = operation === 'completions' && !hasCompletions(sent) ? undefined : PATHS[operation];
    return path === undefined ? undefined : { path, body: bodyOf(sent), reader: OPENAI_READER };
  },
  errorIn,
  hasError,
};
