/** A JSON schema, as OpenAPI 3 has it. */
export type Schema = Readonly<Record<string, unknown>>;

const text: Schema = { type: 'string' };
const number: Schema = { type: 'number' };
const integer: Schema = { type: 'integer' };
const flag: Schema = { type: 'boolean' };
const anything: Schema = {};
const list = (items: Schema): Schema => ({ type: 'array', items });
const oneOf = (...schemas: Schema[]): Schema => ({ oneOf: schemas });
const file: Schema = { type: 'string', format: 'binary' };

/** Other fields pass: the lists here are those that most clients use. */
function object(properties: Readonly<Record<string, Schema>>, required: readonly string[] = []): Schema {
  return { type: 'object', properties, ...(required.length > 0 && { required }), additionalProperties: true };
}

const model: Schema = { type: 'string', description: 'A model group of the router, or an alias' };
const stream: Schema = { type: 'boolean', description: 'Whether to stream the answer as server-sent events' };
const content = oneOf(text, list(object({ type: text }, ['type'])));
const sampling = { temperature: number, top_p: number };
const usage = object({ prompt_tokens: integer, completion_tokens: integer, total_tokens: integer });
const newUsage = object({ input_tokens: integer, output_tokens: integer, total_tokens: integer });
const named = (name: string): Schema => ({ type: 'string', enum: [name] });
const listOf = (entry: Schema): Schema => object({ object: named('list'), data: list(entry) }, ['data']);

const chatMessage = object({ role: text, content, tool_calls: list(object({})), tool_call_id: text }, ['role']);
const tool = object({ type: text, function: object({ name: text, description: text, parameters: object({}) }, ['name']) }, ['type']);
const modelEntry = object({ id: text, object: named('model'), created: integer, owned_by: text }, ['id']);
const fileEntry = object({ id: text, object: named('file'), bytes: integer, filename: text, purpose: text, status: text }, ['id']);
const batchEntry = object({ id: text, object: named('batch'), endpoint: text, input_file_id: text, status: text }, ['id']);
const images = object({ created: integer, data: list(object({ b64_json: text, url: text })), usage: newUsage });
const countRequest = object({ model, messages: list(object({})), system: content, tools: list(object({})) }, ['model', 'messages']);

const deployments = object({ data: list(object({ model_name: text, litellm_params: object({}), model_info: object({}) })) }, ['data']);
const storedResponse = object({
  id: text,
  object: named('response'),
  status: text,
  model: text,
  output: list(object({ type: text })),
  usage: newUsage,
});
const messageBatch = object({
  id: text,
  type: named('message_batch'),
  processing_status: text,
  results_url: { type: 'string', nullable: true },
});
const batchRequest = object({ custom_id: text, params: object({ model, max_tokens: integer, messages: list(object({})) }) }, [
  'custom_id',
  'params',
]);

/** The requests, by the names of routes. */
export const REQUESTS: Readonly<Record<string, Schema>> = {
  chat: object(
    {
      model,
      messages: list(chatMessage),
      stream,
      ...sampling,
      max_completion_tokens: integer,
      tools: list(tool),
      tool_choice: anything,
      response_format: object({ type: text }),
    },
    ['model', 'messages'],
  ),
  completions: object({ model, prompt: oneOf(text, list(text)), stream, max_tokens: integer, ...sampling }, ['model', 'prompt']),
  embeddings: object(
    { model, input: oneOf(text, list(text), list(integer), list(list(integer))), dimensions: integer, encoding_format: text },
    ['model', 'input'],
  ),
  responses: object(
    { model, input: oneOf(text, list(object({}))), instructions: text, stream, max_output_tokens: integer, tools: list(object({})) },
    ['model', 'input'],
  ),
  compactResponse: object({ model, input: oneOf(text, list(object({}))), instructions: text, previous_response_id: text }, ['model']),
  createMessageBatch: object({ requests: list(batchRequest) }, ['requests']),
  countResponseTokens: object({ model, input: oneOf(text, list(object({}))), instructions: text, tools: list(object({})) }, ['model']),
  tokenCounter: object({ model, prompt: text, messages: list(object({})), contents: list(object({})), tools: list(object({})) }, ['model']),
  messages: object(
    {
      model,
      max_tokens: integer,
      messages: list(object({ role: text, content }, ['role', 'content'])),
      system: content,
      stream,
      ...sampling,
      tools: list(object({ name: text, description: text, input_schema: object({}) }, ['name'])),
      tool_choice: object({ type: text }),
      thinking: object({ type: text }),
    },
    ['model', 'max_tokens', 'messages'],
  ),
  countMessageTokens: countRequest,
  images: object({ model, prompt: text, n: integer, size: text, stream }, ['prompt']),
  imageEdits: object({ model, prompt: text, image: file, mask: file }, ['prompt', 'image']),
  imageVariations: object({ model, image: file }, ['image']),
  speech: object({ model, input: text, voice: anything, response_format: text, speed: number }, ['input', 'voice']),
  transcriptions: object({ model, file, language: text, prompt: text, response_format: text, stream }, ['file']),
  translations: object({ model, file, prompt: text, response_format: text }, ['file']),
  moderations: object({ model, input: anything }, ['input']),
  rerank: object({ model, query: text, documents: list(anything), top_n: integer }, ['query', 'documents']),
  uploadFile: object({ file, purpose: text }, ['file', 'purpose']),
  createBatch: object({ input_file_id: text, endpoint: text, completion_window: text }, ['input_file_id', 'endpoint', 'completion_window']),
};

/** The answers, by the names of routes. */
export const ANSWERS: Readonly<Record<string, Schema>> = {
  chat: object(
    {
      id: text,
      object: named('chat.completion'),
      created: integer,
      model: text,
      choices: list(object({ index: integer, message: chatMessage, finish_reason: text })),
      usage,
    },
    ['id', 'choices'],
  ),
  completions: object({
    id: text,
    object: named('text_completion'),
    choices: list(object({ index: integer, text, finish_reason: text })),
    usage,
  }),
  embeddings: listOf(object({ object: named('embedding'), index: integer, embedding: oneOf(list(number), text) })),
  responses: object({
    id: text,
    object: named('response'),
    status: text,
    model: text,
    output: list(object({ type: text })),
    usage: newUsage,
  }),
  compactResponse: object({ id: text, object: text, output: list(object({})), usage: newUsage }),
  retrieveResponse: storedResponse,
  cancelResponse: storedResponse,
  deleteResponse: object({ id: text, object: text, deleted: flag }),
  listInputItems: listOf(object({ id: text, type: text })),
  createMessageBatch: messageBatch,
  retrieveMessageBatch: messageBatch,
  cancelMessageBatch: messageBatch,
  deleteMessageBatch: object({ id: text, type: named('message_batch_deleted') }),
  listMessageBatches: object({ data: list(messageBatch), has_more: flag }),
  countResponseTokens: object({ object: named('response.input_tokens'), input_tokens: integer }, ['input_tokens']),
  messages: object({
    id: text,
    type: named('message'),
    role: text,
    model: text,
    content: list(object({ type: text }, ['type'])),
    stop_reason: text,
    usage: object({ input_tokens: integer, output_tokens: integer }),
  }),
  countMessageTokens: object({ input_tokens: integer }, ['input_tokens']),
  images,
  imageEdits: images,
  imageVariations: images,
  transcriptions: object({ text }),
  translations: object({ text }),
  moderations: object({ id: text, model: text, results: list(object({ flagged: flag, categories: object({}) })) }),
  rerank: object({ results: list(object({ index: integer, relevance_score: number })) }),
  models: listOf(modelEntry),
  model: modelEntry,
  uploadFile: fileEntry,
  retrieveFile: fileEntry,
  listFiles: listOf(fileEntry),
  deleteFile: object({ id: text, object: named('file'), deleted: flag }),
  createBatch: batchEntry,
  retrieveBatch: batchEntry,
  cancelBatch: batchEntry,
  listBatches: listOf(batchEntry),
  liveliness: text,
  liveness: text,
  readiness: object({ status: text, db: text }, ['status']),
  modelInfo: deployments,
  modelInfoPages: deployments,
  modelGroupInfo: object({ data: list(object({ model_group: text, providers: list(text) })) }, ['data']),
  tokenCounter: object({ total_tokens: integer, request_model: text, model_used: text, tokenizer_type: text }, ['total_tokens']),
};

const error = object({ message: text, type: text, param: { type: 'string', nullable: true }, code: { type: 'string', nullable: true } });

/** Errors of OpenAI's API, and of Anthropic's. */
export const OPENAI_ERROR = object({ error }, ['error']);
export const ANTHROPIC_ERROR = object({ type: named('error'), error: object({ type: text, message: text }), request_id: text }, ['error']);
