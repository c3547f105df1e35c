import type { CountCall, Protocol, SentRequest, WireCall } from '../protocol.js';
import { OPENAI_READER } from '../openai/reader.js';
import { embeddingCall } from './embeddings.js';
import { errorIn, hasError } from './errors.js';
import { eventStreamCodec } from './frames.js';
import { countedModel } from './models.js';
import { ConverseRequest } from './request.js';
import { ConverseAnswer } from './stream.js';

const EVENT_STREAM = /^application\/vnd\.amazon\.eventstream\b/i;

/** Amazon Bedrock's Converse, and the embeddings of some of its models. */
export const BEDROCK: Protocol = {
  name: 'bedrock',
  call(operation, sent) {
    if (operation === 'chat') return converse(sent);
    return operation === 'embeddings' ? embeddingCall(sent) : undefined;
  },
  count: (operation, sent) => (operation === 'chat' ? countTokens(sent) : undefined),
  errorIn,
  hasError,
};

/** CountTokens, which the service has for Claude. */
function countTokens(sent: SentRequest): CountCall | undefined {
  const request = new ConverseRequest(sent);
  const model = countedModel(request.model);
  if (model === undefined) return undefined;
  return { path: `/model/${encodeURIComponent(model)}/count-tokens`, body: request.countBody(), field: 'inputTokens' };
}

/** @throws MissingPackageError for a stream without its decoder */
function converse(sent: SentRequest): WireCall {
  // Before the request is sent, not when its answer arrives.
  if (sent.request.stream) eventStreamCodec();
  const request = new ConverseRequest(sent);
  const { names, hasJsonTool, hasOneCall, includesUsage, model } = request;
  return {
    path: `/model/${encodeURIComponent(model.id)}/${sent.request.stream ? 'converse-stream' : 'converse'}`,
    body: request.body(),
    translator: new ConverseAnswer({ model: sent.model, names, hasJsonTool, hasOneCall, includesUsage }),
    reader: OPENAI_READER,
    streamType: EVENT_STREAM,
  };
}
