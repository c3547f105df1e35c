import { UnsupportedRequestError } from '../../common/http-errors.js';
import { messagesCall, messagesCount, type MessagesHost } from '../anthropic/anthropic.js';
import { errorIn as claudeErrorIn } from '../anthropic/errors.js';
import { embedContent, predictEmbeddings } from '../gemini/embeddings.js';
import { errorIn, hasError } from '../gemini/errors.js';
import { countVertexTokens, generateContent } from '../gemini/gemini.js';
import { countNative, nativeContent } from '../gemini/native.js';
import { OPENAI } from '../openai/openai.js';
import type { CountCall, CountedOperation, Operation, Protocol, SentRequest, StatedError, WireCall } from '../protocol.js';
import { vertexModel, type VertexModel } from './models.js';
import type { VertexPlace } from './location.js';

/** Of requests to Claude. */
const ANTHROPIC_VERSION = 'vertex-2023-10-16';
const VERSION = 'v1';
/** Embedding models that are called like the Gemini API's. */
const EMBEDS_CONTENT = /^gemini-embedding-(?:[2-9]|\d\d)/;
const MULTIMODAL = /^multimodalembedding/;

/** Vertex AI: each model by the protocol that Google serves it by. */
export function vertexProtocol(place: VertexPlace): Protocol {
  return {
    name: 'vertex',
    call: (operation, sent) => callOf(operation, sent, place),
    count: (operation, sent) => countOf(operation, sent, place),
    errorIn: anyErrorIn,
    hasError,
  };
}

/** Google's, or one of Claude: a stream of its has Anthropic's events. */
function anyErrorIn(body: string): StatedError {
  const stated = errorIn(body);
  if (stated.status !== undefined) return stated;
  const ofClaude = claudeErrorIn(body);
  return ofClaude.status === undefined ? stated : ofClaude;
}

function callOf(operation: Operation, sent: SentRequest, place: VertexPlace): WireCall | undefined {
  const model = vertexModel(sent.model);
  switch (model.api) {
    case 'gemini':
      return geminiCall(operation, { ...sent, model: model.name }, pathOf(place, model.path));
    case 'claude':
      return messagesCall(operation, sent, claudeHost(pathOf(place, model.path)));
    case 'publisher':
      return publisherCall(operation, sent, { model, path: pathOf(place, model.path, model.version) });
    case 'openai': {
      if (operation !== 'chat' && operation !== 'embeddings') return undefined;
      const call = OPENAI.call(operation, { ...sent, model: model.name }) as WireCall;
      return { ...call, path: pathOf(place, model.path, model.version) + call.path };
    }
    case 'unsupported': {
      const { provider } = sent;
      const reason = `the protocol of ${sent.model} on Vertex AI is not supported`;
      throw new UnsupportedRequestError({ param: 'model', provider, reason, remedy: model.remedy });
    }
  }
}

/** Google counts for its own models and for Claude, for that not at the location `global`. */
function countOf(operation: CountedOperation, sent: SentRequest, place: VertexPlace): CountCall | undefined {
  const model = vertexModel(sent.model);
  if (model.api === 'gemini' && operation === 'generateContent')
    return countNative({ ...sent, model: model.name }, pathOf(place, model.path), true);
  if (model.api === 'gemini')
    return operation === 'chat' ? countVertexTokens({ ...sent, model: model.name }, pathOf(place, model.path)) : undefined;
  if (model.api !== 'claude' || place.location === 'global') return undefined;
  const path = pathOf(place, model.path);
  const countPath = `${path.slice(0, path.lastIndexOf('/'))}/count-tokens:rawPredict`;
  return messagesCount(operation, sent, { ...claudeHost(path), countPath });
}

/** An address may name the model itself. */
function pathOf({ root, version, model, project, location }: VertexPlace, path: string, usual = VERSION): string {
  return model ?? `${root}/${version ?? usual}/projects/${project}/locations/${location}${path}`;
}

function geminiCall(operation: Operation, sent: SentRequest, path: string): WireCall | undefined {
  if (operation === 'chat') return generateContent(sent, path, true);
  if (operation === 'generateContent') return nativeContent(sent, path);
  if (operation !== 'embeddings') return undefined;
  if (EMBEDS_CONTENT.test(sent.model)) return embedContent(sent, path);
  if (!MULTIMODAL.test(sent.model)) return predictEmbeddings(sent, path);
  const { provider, model } = sent;
  const reason = `the embeddings protocol of ${model} is not supported`;
  throw new UnsupportedRequestError({ param: 'model', provider, reason, remedy: 'use gemini-embedding-2 or text-embedding-005' });
}

function claudeHost(path: string): MessagesHost {
  return {
    takesUrls: false,
    midSystem: false,
    hasTiers: false,
    bodyVersion: ANTHROPIC_VERSION,
    pathOf: ({ request }) => path + (request.stream ? ':streamRawPredict' : ':rawPredict'),
  };
}

/** A publisher's model, and where it is. */
interface Published {
  readonly model: Extract<VertexModel, { readonly api: 'publisher' }>;
  readonly path: string;
}

/** The publisher's own API, which is OpenAI's, in the words of that publisher. */
function publisherCall(operation: Operation, sent: SentRequest, { model, path }: Published): WireCall | undefined {
  if (operation !== 'chat') return undefined;
  const call = OPENAI.call('chat', { ...sent, provider: model.dialect, model: model.name, isAtHome: true }) as WireCall;
  return { ...call, path: path + (sent.request.stream ? ':streamRawPredict' : ':rawPredict') };
}
