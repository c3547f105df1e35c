import { SetMetadata } from '@nestjs/common';
import type { ApiOperationOptions } from '@nestjs/swagger';
import { needsBearer, OPENAPI } from '../../common/openapi-metadata.js';
import type { MountedRoute } from '../routes/mounted-route.js';
import type { GatewayRoute } from '../routes/route.js';
import { ANSWERS, ANTHROPIC_ERROR, OPENAI_ERROR, REQUESTS, type Schema } from './schemas.js';

const SUMMARIES: Readonly<Record<string, string>> = {
  chat: 'Chat completion',
  completions: 'Text completion',
  embeddings: 'Embeddings',
  responses: 'Response',
  countResponseTokens: 'Count the input tokens of a response',
  compactResponse: 'Shorten a conversation',
  retrieveResponse: 'Retrieve a stored response',
  deleteResponse: 'Delete a stored response',
  cancelResponse: 'Cancel a background response',
  listInputItems: 'List the input items of a stored response',
  createMessageBatch: 'Create a batch of messages',
  listMessageBatches: 'List batches of messages',
  retrieveMessageBatch: 'Retrieve a batch of messages',
  messageBatchResults: 'Retrieve the results of a batch of messages',
  cancelMessageBatch: 'Cancel a batch of messages',
  deleteMessageBatch: 'Delete a batch of messages',
  messages: 'Message',
  countMessageTokens: 'Count the input tokens of a message',
  images: 'Images',
  imageEdits: 'Image edits',
  imageVariations: 'Image variations',
  speech: 'Speech',
  transcriptions: 'Transcript',
  translations: 'Transcript in English',
  moderations: 'Moderation',
  rerank: 'Documents ranked by relevance',
  uploadFile: 'Upload a file',
  listFiles: 'Files',
  retrieveFile: 'A file',
  downloadFile: 'Content of a file',
  deleteFile: 'Delete a file',
  createBatch: 'Start a batch',
  listBatches: 'Batches',
  retrieveBatch: 'A batch',
  cancelBatch: 'Cancel a batch',
  models: 'List available models',
  model: 'A model',
  liveliness: 'Whether the process answers',
  liveness: 'Whether the process answers',
  readiness: 'Whether the process accepts requests',
  modelInfo: 'Deployments, without their credentials',
  modelInfoPages: 'Deployments in pages, without their credentials',
  modelGroupInfo: 'Model groups with their limits and prices',
  tokenCounter: 'Tokens of a prompt',
};
const STREAMED: ReadonlySet<string> = new Set(['chat', 'completions', 'responses', 'messages', 'images', 'transcriptions']);
const BYTES: Readonly<Record<string, string>> = {
  speech: 'audio/mpeg',
  downloadFile: 'application/octet-stream',
  messageBatchResults: 'application/jsonl',
};
const PARAMETER = /:(\w+)/g;

/** Returns the decorators that describe a route in the app's OpenAPI document. */
export function operationOf(route: GatewayRoute, isGuarded: boolean): MethodDecorator[] {
  const { name, endpoint, body, path } = route;
  if (route.isHidden === true) return [SetMetadata(OPENAPI.excluded, { disable: true })];
  const text = { type: 'string' };
  const ofPath = [...path.matchAll(PARAMETER)].map(([, id]) => ({ in: 'path', name: id, required: true, type: String, schema: text }));
  const ofAccount =
    endpoint === 'files' || endpoint === 'batches' ? [{ in: 'query', name: 'model', required: false, type: String, schema: text }] : [];
  const schema = REQUESTS[name];
  const ofBody = schema === undefined ? [] : [{ in: 'body', required: true, type: String, schema }];
  return [
    SetMetadata(OPENAPI.operation, { summary: SUMMARIES[name] ?? name, operationId: name } satisfies ApiOperationOptions),
    SetMetadata(OPENAPI.parameters, [...ofBody, ...ofPath, ...ofAccount]),
    SetMetadata(OPENAPI.responses, responsesOf(route)),
    ...(body === 'form' ? [SetMetadata(OPENAPI.consumes, ['multipart/form-data'])] : []),
    ...(isGuarded && takesKey(route) ? [needsBearer] : []),
  ];
}

/** Probes take none. */
function takesKey({ endpoint, isHidden }: GatewayRoute): boolean {
  return endpoint !== 'health' && isHidden !== true;
}

/** Says of mounted routes that they take a key: known once the app has its keys. */
export function documentKeys(routes: readonly MountedRoute[]): void {
  for (const { route, controller } of routes) {
    if (!takesKey(route)) continue;
    const prototype = controller.prototype as object;
    needsBearer(prototype, route.name, Object.getOwnPropertyDescriptor(prototype, route.name) as PropertyDescriptor);
  }
}

function responsesOf({ name, endpoint, api }: GatewayRoute): object {
  const bytes = BYTES[name];
  const content: Record<string, { readonly schema: Schema }> = {};
  if (bytes !== undefined) content[bytes] = { schema: { type: 'string', format: 'binary' } };
  else content['application/json'] = { schema: ANSWERS[name] ?? { type: 'object' } };
  if (STREAMED.has(name)) content['text/event-stream'] = { schema: { type: 'string' } };
  const answer = { 200: { description: 'The answer', content } };
  if (endpoint === 'health') return { ...answer, 503: { description: 'Not ready for requests' } };
  const error = { 'application/json': { schema: api === 'anthropic' || endpoint === 'messages' ? ANTHROPIC_ERROR : OPENAI_ERROR } };
  return {
    ...answer,
    '4XX': { description: 'The request is rejected', content: error },
    '5XX': { description: 'No answer', content: error },
  };
}
