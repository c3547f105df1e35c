import type { AnswerTranslator, Operation, Protocol, SentRequest } from '../protocol.js';
import { rowOf } from '../endpoint/provider-table.environment.js';
import { COMPATIBLE } from '../endpoint/provider-table.dialects.js';
import { errorIn, hasError } from './errors.js';
import { countsTokens, hasCompletions, hasResponses } from './own-apis.js';
import { DialectTranslator } from './dialect-answer.js';
import { chatFields } from './dialect-request.js';
import type { AnswerRules, Dialect } from './dialect.js';
import { policedFields } from '../parameters.js';
import { passed, written } from './request.js';
import { forwardedCall } from './forwarded.js';
import { OPENAI_READER } from './reader.js';
import { chatNeedsResponses } from './responses/needs-responses.js';
import { chatByResponses, inputTokensCall, responsesCall, storedResponseCall } from './responses/responses.js';

const PATHS: Readonly<Partial<Record<Operation, string>>> = {
  chat: '/chat/completions',
  completions: '/completions',
  embeddings: '/embeddings',
};

/** OpenAI's chat and embeddings; completions and Responses where the provider has them. */
export const OPENAI: Protocol = {
  name: 'openai',
  call(operation, given) {
    const sent = given.request.json === undefined ? given : passed(given);
    const { forwarded } = sent.request;
    if (operation === 'stored_responses' && forwarded !== undefined) return storedResponseCall(forwarded, sent);
    if (forwarded !== undefined) return forwardedCall(forwarded, sent, OPENAI_READER);
    if (operation === 'responses') return hasResponses(sent) ? responsesCall(sent) : undefined;
    if (operation === 'chat' && chatNeedsResponses(sent)) return chatByResponses(given);
    const path = operation === 'completions' && !hasCompletions(sent) ? undefined : PATHS[operation];
    if (path === undefined) return undefined;
    if (operation !== 'chat') return { path, body: written(sent, () => policedFields(sent)), reader: OPENAI_READER };
    const dialect = dialectOf(sent);
    const body = written(sent, () => chatFields(sent, dialect));
    return { path, body, reader: OPENAI_READER, translator: dialect.answers && translatorOf(sent, dialect.answers) };
  },
  count: (operation, sent) =>
    operation === 'messages' || operation === 'generateContent' || !countsTokens(sent)
      ? undefined
      : inputTokensCall(passed(sent), operation === 'chat'),
  errorIn,
  hasError,
};

/** The last dialect: most calls are to the deployment of the call before. */
let last: (Pick<SentRequest, 'provider' | 'isAtHome'> & { readonly name: string; readonly dialect: Dialect }) | undefined;

/** The dialect of the deployment's provider and model. */
function dialectOf({ provider, model, baseModel: name = model, isAtHome }: SentRequest): Dialect {
  if (last?.provider === provider && last.name === name && last.isAtHome === isAtHome) return last.dialect;
  const { dialect: home = COMPATIBLE, elsewhere = home } = rowOf(provider) ?? {};
  const own = isAtHome === false ? elsewhere : home;
  const dialect = own.models?.find(({ matches }) => matches.test(name))?.dialect ?? own;
  last = { provider, isAtHome, name, dialect };
  return dialect;
}

function translatorOf({ body, addsUsage }: SentRequest, answers: AnswerRules): AnswerTranslator {
  const { include_usage: isAsked } = (body.stream_options ?? {}) as { readonly include_usage?: unknown };
  return new DialectTranslator(answers, answers.usageInContent === true && (addsUsage || isAsked === true));
}
