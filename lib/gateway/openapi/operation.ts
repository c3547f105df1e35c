import { SetMetadata } from '@nestjs/common';
import type { ApiOperationOptions } from '@nestjs/swagger';
import type { GatewayRoute } from '../routes/route.js';
import { ANSWERS, ANTHROPIC_ERROR, OPENAI_ERROR, REQUESTS, type Schema } from './schemas.js';

/**
 * The metadata that the decorators of @nestjs/swagger write. The gateway writes it without the
 * package, which takes a second to load and is needed by few processes.
 */
const OPERATION = 'swagger/apiOperation';
const PARAMETERS = 'swagger/apiParameters';
const CONSUMES = 'swagger/apiConsumes';
const RESPONSES = 'swagger/apiResponse';
const SECURITY = 'swagger/apiSecurity';
const EXCLUDED = 'swagger/apiExcludeEndpoint';
const TAGS = 'swagger/apiUseTags';

const SUMMARIES: Readonly<Record<string, string>> = {
  chat: 'Chat completion',
  completions: 'Text completion',
  embeddings: 'Embeddings',
  responses: 'Response',
  countResponseTokens: 'Input tokens of a response',
  messages: 'Message',
  countMessageTokens: 'Input tokens of a message',
  images: 'Images',
  imageEdits: 'Edits of images',
  imageVariations: 'Variations of an image',
  speech: 'Speech',
  transcriptions: 'Transcript',
  translations: 'Transcript in English',
  moderations: 'Moderation',
  rerank: 'Documents by relevance',
  uploadFile: 'Upload a file',
  listFiles: 'Files',
  retrieveFile: 'A file',
  downloadFile: 'Content of a file',
  deleteFile: 'Delete a file',
  createBatch: 'Start a batch',
  listBatches: 'Batches',
  retrieveBatch: 'A batch',
  cancelBatch: 'Cancel a batch',
  models: 'Models that requests can name',
  model: 'A model',
  liveliness: 'Whether the process answers',
  liveness: 'Whether the process answers',
  readiness: 'Whether it can take requests',
  modelInfo: 'Deployments, without their credentials',
};
const STREAMED: ReadonlySet<string> = new Set(['chat', 'completions', 'responses', 'messages', 'images', 'transcriptions']);
const BYTES: Readonly<Record<string, string>> = { speech: 'audio/mpeg', downloadFile: 'application/octet-stream' };
const PARAMETER = /:(\w+)/g;

/** The tag of all routes in an OpenAPI document. */
export const documentTag: ClassDecorator = SetMetadata(TAGS, ['gateway']);

/** What an OpenAPI document of the app says of a route. */
export function operationOf(route: GatewayRoute, isGuarded: boolean): MethodDecorator[] {
  const { name, endpoint, body, path } = route;
  if (route.isHidden === true) return [SetMetadata(EXCLUDED, { disable: true })];
  const text = { type: 'string' };
  const ofPath = [...path.matchAll(PARAMETER)].map(([, id]) => ({ in: 'path', name: id, required: true, type: String, schema: text }));
  const ofAccount =
    endpoint === 'files' || endpoint === 'batches' ? [{ in: 'query', name: 'model', required: false, type: String, schema: text }] : [];
  const schema = REQUESTS[name];
  const ofBody = schema === undefined ? [] : [{ in: 'body', required: true, type: String, schema }];
  const isOpen = endpoint === 'health' || !isGuarded;
  return [
    SetMetadata(OPERATION, { summary: SUMMARIES[name] ?? name, operationId: name } satisfies ApiOperationOptions),
    SetMetadata(PARAMETERS, [...ofBody, ...ofPath, ...ofAccount]),
    SetMetadata(RESPONSES, responsesOf(route)),
    ...(body === 'form' ? [SetMetadata(CONSUMES, ['multipart/form-data'])] : []),
    ...(isOpen ? [] : [SetMetadata(SECURITY, [{ bearer: [] }])]),
  ];
}

function responsesOf({ name, endpoint }: GatewayRoute): object {
  const bytes = BYTES[name];
  const content: Record<string, { readonly schema: Schema }> = {};
  if (bytes !== undefined) content[bytes] = { schema: { type: 'string', format: 'binary' } };
  else content['application/json'] = { schema: ANSWERS[name] ?? { type: 'object' } };
  if (STREAMED.has(name)) content['text/event-stream'] = { schema: { type: 'string' } };
  const answer = { 200: { description: 'The answer', content } };
  if (endpoint === 'health') return { ...answer, 503: { description: 'Not able to take requests' } };
  const error = { 'application/json': { schema: endpoint === 'messages' ? ANTHROPIC_ERROR : OPENAI_ERROR } };
  return {
    ...answer,
    '4XX': { description: 'The request is refused', content: error },
    '5XX': { description: 'No answer', content: error },
  };
}
