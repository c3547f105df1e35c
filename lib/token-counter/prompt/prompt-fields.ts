import { countText, isRecord, type PromptContext } from './prompt-context.js';

type Body = Readonly<Record<string, unknown>>;

/**
 * Fields that providers add to the prompt of some APIs, beside those that a rule counts: the text
 * behind a completion, documents to answer from, Gemini's system prompt, schemas of the answer.
 */
const FIELDS = [
  'suffix',
  'documents',
  'systemInstruction',
  'system_instruction',
  'responseSchema',
  'responseJsonSchema',
  'output_format',
  'output_config',
] as const;
/** Fields of Gemini's `generationConfig` that are schemas. */
const SCHEMAS = ['responseSchema', 'responseJsonSchema', 'response_schema', 'response_json_schema'];

/** What `countPromptFields` counts. */
export function promptFieldsOf(body: Body): unknown[] {
  const values: unknown[] = FIELDS.map((name) => body[name]);
  const { generationConfig: camel, generation_config: snake, response_format: format } = body;
  for (const config of [camel, snake]) if (isRecord(config)) values.push(...SCHEMAS.map((name) => config[name]));
  // As Gemini's clients write it; one of the type `json_schema` has a rule.
  if (isRecord(format)) values.push(format.response_schema);
  if (isRerank(body)) values.push(body.query);
  return values.filter((value) => value !== undefined && value !== null);
}

/** For limits: tokens of the fields that no rule counts. Texts are counted, others by length. */
export function countPromptFields(body: Body, context: PromptContext): number {
  if (context.estimatesUnknown !== true) return 0;
  let tokens = 0;
  for (const value of promptFieldsOf(body)) tokens += countText(value, context);
  return tokens;
}

/** Whether a body without any prompt asks for the order of documents. */
export function isRerank({ model, query, documents, messages, input, prompt }: Body): boolean {
  if ((messages ?? input ?? prompt) !== undefined) return false;
  return typeof model === 'string' && typeof query === 'string' && Array.isArray(documents);
}
