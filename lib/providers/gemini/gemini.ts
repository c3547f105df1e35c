import { OPENAI_READER } from '../openai/reader.js';
import { pickedFields, written } from '../openai/request.js';
import { asksOneCall } from '../parameters.js';
import type { CountCall, Protocol, SentRequest, WireCall } from '../protocol.js';
import { batchEmbedContents } from './embeddings.js';
import { errorIn, hasError } from './errors.js';
import { countNative, nativeContent } from './native.js';
import { generateContentBody } from './request.js';
import { GeminiTranslator } from './stream.js';

/** Google's generateContent, of the Gemini API (Google AI Studio). */
export const GEMINI: Protocol = {
  name: 'gemini',
  call(operation, sent) {
    if (operation === 'chat') return generateContent(sent, modelPath(sent.model), false);
    if (operation === 'generateContent') return nativeContent(sent, modelPath(sent.model));
    return operation === 'embeddings' ? batchEmbedContents(sent, modelPath(sent.model)) : undefined;
  },
  count(operation, sent) {
    if (operation === 'generateContent') return countNative(sent, modelPath(sent.model), false);
    return operation === 'chat' ? countTokens(sent, modelPath(sent.model)) : undefined;
  },
  errorIn,
  hasError,
};

/** A chat request at a model's path (`/models/gemini-3-pro`), whole or streamed. */
export function generateContent(sent: SentRequest, path: string, isVertex: boolean): WireCall {
  const { request, body, addsUsage, model } = sent;
  const { stream_options: options } = body as { readonly stream_options?: { readonly include_usage?: unknown } | null };
  return {
    path: path + (request.stream ? ':streamGenerateContent?alt=sse' : ':generateContent'),
    body: written(sent, () => generateContentBody(sent, isVertex)),
    translator: new GeminiTranslator({
      model,
      includesUsage: addsUsage || options?.include_usage === true,
      hasOneCall: asksOneCall(body),
    }),
    reader: OPENAI_READER,
  };
}

/** Lets the Gemini API count a whole request, which has to name its model. */
function countTokens(sent: SentRequest, path: string): CountCall {
  const fields = (): object => ({ generateContentRequest: { model: path.slice(1), ...generateContentBody(sent, false) } });
  return { path: `${path}:countTokens`, body: written(sent, fields), field: 'totalTokens' };
}

/** Fields that Vertex AI counts; it rejects all others. */
const COUNTED_BY_VERTEX = ['contents', 'systemInstruction', 'tools', 'generationConfig'];

/** The same for Vertex AI, at a model's path. */
export function countVertexTokens(sent: SentRequest, path: string): CountCall {
  const fields = (): object => pickedFields(generateContentBody(sent, true), COUNTED_BY_VERTEX);
  return { path: `${path}:countTokens`, body: written(sent, fields), field: 'totalTokens' };
}

/** Tuned models have a collection of their own. */
const COLLECTION = /^(?:models|tunedModels)\//;

function modelPath(model: string): string {
  const collection = COLLECTION.exec(model)?.[0] ?? 'models/';
  return `/${collection}${encodeURIComponent(model.replace(COLLECTION, ''))}`;
}
