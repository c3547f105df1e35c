import { ANSWERS, ANTHROPIC_ERROR, OPENAI_ERROR, REQUESTS, type Schema } from './schemas.js';

/** Every object in a schema, by its path. */
function objectsIn(schema: Schema, path: string): (readonly [path: string, properties: object, required: readonly string[]])[] {
  const {
    type,
    properties,
    required = [],
    items,
    oneOf = [],
  } = schema as {
    readonly type?: string;
    readonly properties?: Readonly<Record<string, Schema>>;
    readonly required?: readonly string[];
    readonly items?: Schema;
    readonly oneOf?: readonly Schema[];
  };
  const inner = Object.entries(properties ?? {}).flatMap(([name, each]) => objectsIn(each, `${path}.${name}`));
  const own = type === 'object' ? [[path, properties ?? {}, required] as const] : [];
  return [...own, ...inner, ...(items ? objectsIn(items, `${path}[]`) : []), ...oneOf.flatMap((each) => objectsIn(each, path))];
}

const all = Object.entries({ ...ANSWERS, OPENAI_ERROR, ANTHROPIC_ERROR }).flatMap(([name, schema]) => objectsIn(schema, name));
const asked = Object.entries(REQUESTS).flatMap(([name, schema]) => objectsIn(schema, name));

it('requires only what a schema describes', () => {
  for (const [path, properties, required] of [...all, ...asked])
    for (const name of required) expect([path, Object.keys(properties)]).toEqual([path, expect.arrayContaining([name])]);
});

it('describes the fields of each object, except those that anyone may name', () => {
  const open = [...all, ...asked].filter(([, properties]) => Object.keys(properties).length === 0).map(([path]) => path);
  expect([...new Set(open)].sort()).toEqual([
    'chat.choices[].message.tool_calls[]',
    'chat.messages[].tool_calls[]',
    'chat.tools[].function.parameters',
    'compactResponse.input[]',
    'compactResponse.output[]',
    'countMessageTokens.messages[]',
    'countMessageTokens.tools[]',
    'countResponseTokens.input[]',
    'countResponseTokens.tools[]',
    'createMessageBatch.requests[].params.messages[]',
    'messages.tools[].input_schema',
    'modelInfo.data[].litellm_params',
    'modelInfo.data[].model_info',
    'modelInfoPages.data[].litellm_params',
    'modelInfoPages.data[].model_info',
    'moderations.results[].categories',
    'responses.input[]',
    'responses.tools[]',
    'tokenCounter.contents[]',
    'tokenCounter.messages[]',
    'tokenCounter.tools[]',
  ]);
});

it('requires what the APIs require of a request', () => {
  expect(Object.fromEntries(asked.filter(([, , required]) => required.length > 0).map(([path, , required]) => [path, required]))).toEqual({
    chat: ['model', 'messages'],
    'chat.messages[]': ['role'],
    'chat.messages[].content[]': ['type'],
    'chat.tools[]': ['type'],
    'chat.tools[].function': ['name'],
    compactResponse: ['model'],
    completions: ['model', 'prompt'],
    embeddings: ['model', 'input'],
    responses: ['model', 'input'],
    countResponseTokens: ['model'],
    messages: ['model', 'max_tokens', 'messages'],
    'messages.messages[]': ['role', 'content'],
    'messages.messages[].content[]': ['type'],
    'messages.system[]': ['type'],
    'messages.tools[]': ['name'],
    countMessageTokens: ['model', 'messages'],
    'countMessageTokens.system[]': ['type'],
    images: ['prompt'],
    imageEdits: ['prompt', 'image'],
    imageVariations: ['image'],
    speech: ['input', 'voice'],
    tokenCounter: ['model'],
    transcriptions: ['file'],
    translations: ['file'],
    moderations: ['input'],
    rerank: ['query', 'documents'],
    uploadFile: ['file', 'purpose'],
    createBatch: ['input_file_id', 'endpoint', 'completion_window'],
    createMessageBatch: ['requests'],
    'createMessageBatch.requests[]': ['custom_id', 'params'],
  });
});
