import { isObject } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { nextTurn } from '../../common/next-turn.js';
import { countContent } from './content-parts.js';
import { countParts } from './gemini-parts.js';
import { countMessages, isSystemMessage, messageOverhead, promptOverhead, type ChatMessage } from './messages.js';
import { countJson, countString, type PromptContext } from './prompt-context.js';
import { isRerank, PromptRest } from './prompt-rest.js';
import { countItems } from './response-items.js';
import { countResponseFormat, countToolChoice, countTools, type Tool, type ToolChoice } from './tools.js';

type Body = Readonly<Record<string, unknown>>;

/** Token count of a request's prompt. */
export interface RequestTokens {
  /** Tokens of the prompt, tools and images included. */
  readonly promptTokens: number;
  /**
   * Whether the count is an estimate: unknown tokenizer, image of unknown size, audio, binary
   * document, or earlier turns stored at the provider.
   */
  readonly approximate: boolean;
  /** The encoding used for counting, or the name of the tokenizer in `tokenCounter.tokenizers`. */
  readonly encoding: string;
  /**
   * The option that would make the count of this model's texts exact, and a file or package for it.
   */
  readonly exactWith?: string;
  /**
   * Upper bound for models without a public tokenizer: 95 of 100 such prompts have fewer tokens.
   * Limits reserve this number.
   */
  readonly bound?: number;
}

/**
 * Counts the prompt tokens of a request body in OpenAI's style:
 * - chat: `messages` with `tools`, `tool_choice`, the older `functions`, Anthropic's `system`;
 * - Responses: `input` items and `instructions`;
 * - Google's `contents` and `systemInstruction`;
 * - embeddings (`input`) and completions (`prompt`): a text, several, or token ids. A plain text
 *   counts alone.
 *
 * @throws InvalidArgumentError naming the field (`messages[0].content[1].type`); `messages` for a
 * body without a prompt.
 */
export function countRequestBody(body: Body, context: PromptContext): number {
  const tokens = countPrompt(body, context);
  return context.reads === undefined ? tokens : tokens + new PromptRest(context, context.reads).count(body);
}

/** The same in two turns of the event loop: what rules count, and the rest. */
export async function countRequestBodyInTurns(body: Body, context: PromptContext): Promise<number> {
  const tokens = countPrompt(body, context);
  if (context.reads === undefined) return tokens;
  await nextTurn();
  return tokens + new PromptRest(context, context.reads).count(body);
}

/** Counts by the rules of the API; for limits, returns 0 for a body that breaks one. */
function countPrompt(body: Body, context: PromptContext): number {
  try {
    if (body.messages !== undefined) {
      const tools = (body.tools ?? body.functions) as readonly Tool[] | undefined;
      const toolChoice = (body.tool_choice ?? body.function_call) as ToolChoice | undefined;
      const hasSystemMessage = (body.system ?? undefined) === undefined ? undefined : true;
      let tokens = countMessages(body.messages as ChatMessage[], context, { tools, toolChoice, hasSystemMessage });
      if (hasSystemMessage) tokens += countField(body.system, 'system', 'system', context);
      if (body.response_format !== undefined) tokens += countResponseFormat(body.response_format, 'response_format', context);
      return tokens;
    }
    if (isResponses(body)) return countResponses(body, context);
    if (body.input !== undefined) return countInputs(body.input, 'input', context);
    if (body.prompt !== undefined) return countInputs(body.prompt, 'prompt', context);
    if (body.contents !== undefined) return countContents(body, context);
    if (context.reads !== undefined && isRerank(body)) return 0;
    throw new InvalidArgumentError('messages', undefined, 'must be set (or input, or prompt)');
  } catch (error) {
    const isCountedOtherwise = context.reads !== undefined && error instanceof InvalidArgumentError && hasPrompt(body);
    if (!isCountedOtherwise) throw error;
    context.reads.clear();
    context.mediaTokens = 0;
    context.assumed = true;
    return 0;
  }
}

function hasPrompt({ messages, input, prompt, contents }: Body): boolean {
  return (messages ?? input ?? prompt ?? contents ?? undefined) !== undefined;
}

/** A request of Google's `:generateContent`, whose turns have parts. */
function countContents(body: Body, context: PromptContext): number {
  const { contents, tools } = body;
  const turns = typeof contents === 'string' ? [{ role: 'user', content: contents }] : contents;
  const system = body.systemInstruction ?? body.system_instruction;
  let tokens = 0;
  if (isObject(system) && Array.isArray(system.parts)) {
    context.reads?.note('part', system);
    tokens += messageOverhead('system', context.model) + countParts(system.parts, 'systemInstruction.parts', context);
  }
  return tokens + countMessages(turns as ChatMessage[], context, { tools: tools as readonly Tool[] | undefined });
}

function isResponses(body: Body): boolean {
  if (hasUnseenPrompt(body)) return true;
  return (
    body.input !== undefined &&
    (body.instructions !== undefined ||
      body.tools !== undefined ||
      isObject(body.text) ||
      (Array.isArray(body.input) && body.input.some(isObject)))
  );
}

/** Whether the body refers to earlier turns or templates that only the provider has. */
function hasUnseenPrompt(body: Body): boolean {
  return typeof body.previous_response_id === 'string' || (body.conversation ?? undefined) !== undefined || isObject(body.prompt);
}

function countResponses(body: Body, context: PromptContext): number {
  if (hasUnseenPrompt(body) || context.model.isChatAssumed) context.assumed = true;
  let tokens = promptOverhead(context.model) + countField(body.instructions, 'instructions', 'system', context);
  if (typeof body.input === 'string') tokens += countField(body.input, 'input', 'user', context);
  else if (body.input !== undefined) tokens += countItems(body.input, context);
  if (isObject(body.prompt)) tokens += countJson(body.prompt.variables, 'prompt.variables', context);
  context.reads?.note('part', body.text);
  context.reads?.note('part', body.prompt);
  if (isObject(body.text)) tokens += countResponseFormat(body.text.format, 'text.format', context);
  const tools = body.tools as readonly Tool[] | undefined;
  return (
    tokens +
    countTools({ tools, hasSystemMessage: hasSystemItem(body) }, context) +
    countToolChoice(body.tool_choice as ToolChoice, context)
  );
}

function hasSystemItem({ instructions, input }: Body): boolean {
  if ((instructions ?? undefined) !== undefined) return true;
  return Array.isArray(input) && input.some((item) => isObject(item) && isSystemMessage(item as unknown as ChatMessage));
}

/** A message in a field of the body (`system`, `instructions`); its role is one token. */
function countField(content: unknown, path: string, role: string, context: PromptContext): number {
  if (content === undefined || content === null) return 0;
  const roleTokens = context.model.chat === undefined ? 1 : 0;
  return messageOverhead(role, context.model) + roleTokens + countContent(content, path, context);
}

function countInputs(inputs: unknown, path: string, context: PromptContext): number {
  if (typeof inputs === 'string') return countString(inputs, context);
  if (!Array.isArray(inputs)) throw new InvalidArgumentError(path, inputs, 'must be a string, an array of strings, or token ids');
  context.reads?.note('whole', inputs);
  let tokens = 0;
  for (let i = 0; i < inputs.length; i++) {
    const input: unknown = inputs[i];
    if (typeof input === 'string') tokens += countString(input, context);
    else if (isTokenId(input)) tokens += 1;
    else if (Array.isArray(input) && input.every(isTokenId)) tokens += input.length;
    else throw new InvalidArgumentError(`${path}[${i}]`, input, 'must be a string or token ids');
  }
  return tokens;
}

function isTokenId(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
