import type { AnswerTranslator, Operation, Protocol, SentRequest } from '../protocol.js';
import { rowOf } from '../endpoint/provider-table.environment.js';
import { COMPATIBLE } from '../endpoint/provider-table.dialects.js';
import { errorIn, hasError } from './errors.js';
import { countsTokens, hasCompletions, hasResponses } from './own-apis.js';
import { DialectTranslator } from './dialect-answer.js';
import { chatFields } from './dialect-request.js';
import type { Dialect } from './dialect.js';
import { policedFields } from '../parameters.js';
import { passed, written } from './request.js';
import { forwardedCall } from './forwarded.js';
import { OPENAI_READER } from './reader.js';
import { chatNeedsResponses } from './responses/needs-responses.js';
import { chatByResponses, inputTokensCall, responsesCall } from './responses/responses.js';

const PATHS: Readonly<Partial<Record<Operation, string>>> = {
  chat: '/chat/completions',
  completions: '/completions',
  embeddings: '/embeddings',
};

/** OpenAI's chat and embeddings; completions and Responses where the provider has them. */
export const OPENAI: Protocol = {
  name: 'openai',
  call(operation, given) {
    const sent = passed(given);
    const { forwarded } = sent.request;
    if (forwarded !== undefined) return forwardedCall(forwarded, sent, OPENAI_READER);
    if (operation === 'responses') return hasResponses(sent) ? responsesCall(sent) : undefined;
    if (operation === 'chat' && chatNeedsResponses(sent)) return chatByResponses(given);
    const path = operation === 'completions' && !hasCompletions(sent) ? undefined : PATHS[operation];
    if (path === undefined) return undefined;
    if (operation !== 'chat') return { path, body: written(sent, () => policedFields(sent)), reader: OPENAI_READER };
    const dialect = dialectOf(sent);
    const body = written(sent, () => chatFields(sent, dialect));
    return { path, body, reader: OPENAI_READER, translator: translatorOf(sent, dialect) };
  },
  count: (operation, sent) =>
    operation === 'messages' || !countsTokens(sent) ? undefined : inputTokensCall(passed(sent), operation === 'chat'),
  errorIn,
  hasError,
};

/** The dialect of the deployment's provider and model. */
function dialectOf({ provider, model, baseModel, isAtHome }: SentRequest): Dialect {
  const { dialect = COMPATIBLE, elsewhere = dialect } = rowOf(provider) ?? {};
  const own = isAtHome === false ? elsewhere : dialect;
  return own.models?.find(({ matches }) => matches.test(baseModel ?? model))?.dialect ?? own;
}

function translatorOf({ body, addsUsage }: SentRequest, { answers }: Dialect): AnswerTranslator | undefined {
  if (answers === undefined) return undefined;
  const { include_usage: isAsked } = (body.stream_options ?? {}) as { readonly include_usage?: unknown };
  return new DialectTranslator(answers, answers.usageInContent === true && (addsUsage || isAsked === true));
}
