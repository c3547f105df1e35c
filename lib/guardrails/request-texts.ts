import { isObject, listOf, type Fields } from '../common/objects.js';
import { TEXT_PLACES } from '../calls/answer/text-places.js';
import type { TextKind } from '../calls/hooks/call-hook.js';
import { edited } from './stream-windows.js';
import type { GuardedText, TextEdit, TextRole } from './guardrail.js';
import { JsonWindow } from './json-strings.js';

/** A text of a request, and how it is replaced. */
export interface RequestText extends GuardedText {
  /** Puts the text with its edits into the body. */
  readonly put: (edits: readonly TextEdit[]) => void;
}

/** Fields with the input of a model, by operation. Another operation is read completely. */
const INPUTS: Readonly<Record<string, readonly string[]>> = {
  chat: ['messages', 'prediction'],
  completions: ['prompt', 'suffix'],
  responses: ['instructions', 'input', 'prompt'],
  compact_response: ['instructions', 'input', 'prompt'],
  messages: ['system', 'messages'],
  generateContent: ['systemInstruction', 'system_instruction', 'contents'],
  embeddings: ['input'],
  moderations: ['input'],
  rerank: ['query', 'documents', 'instruction'],
  images: ['prompt'],
  audio: ['input', 'instructions', 'prompt'],
};
/** Definitions of tools and formats: only their descriptions are texts. */
const DEFINITIONS = ['tools', 'functions', 'response_format', 'text', 'text_format', 'output_config', 'output_format'];
/** Account operations send no text of a request to a model. */
const WITHOUT_TEXTS: ReadonlySet<string> = new Set(['files', 'batches', 'message_batches', 'stored_responses']);

/** Fields with identifiers, enumerations, addresses and encoded bytes. */
const NO_TEXTS: ReadonlySet<string> = new Set(
  `type id role name model object status index call_id tool_call_id tool_use_id item_id file_id filename format media_type mime_type mimeType
  detail url uri image_url file_url file_data fileUri data b64_json signature thought_signature thoughtSignature encrypted_content
  cache_control inlineData fileData input_audio source phase`.split(/\s+/),
);
/** Those of them that contain texts if they are objects: documents and search results. */
const MAYBE_TEXTS: ReadonlySet<string> = new Set(['source', 'name']);
const SYSTEM: ReadonlySet<string> = new Set(['system', 'instructions', 'systemInstruction', 'system_instruction']);
const TOOL_RESULTS = /^(?:tool_result|.*_tool_result|function_call_output|.*_call_output|mcp_call_output)$/;
const ROLES: Readonly<Record<string, TextRole>> = {
  system: 'system',
  developer: 'developer',
  user: 'user',
  assistant: 'assistant',
  model: 'assistant',
  tool: 'tool',
  function: 'tool',
};
const REASONING = /reason|think/;
const CALLED_INPUT = TEXT_PLACES.messages.blocks.tool_use.field;
const DEEPEST = 128;
/** Their inputs can be lists of tokens. */
const TOKEN_INPUTS: ReadonlySet<string> = new Set(['completions', 'embeddings']);

/** A body has texts that cannot be read. */
export class UnreadableRequest extends Error {}

/**
 * The texts of a request that a model gets, or that a guardrail would have to find: messages,
 * system prompts, arguments and results of tools, descriptions of tools, inputs and documents.
 * @param body is changed in place by `put`
 */
export function requestTexts(operation: string, body: Fields): readonly RequestText[] {
  if (WITHOUT_TEXTS.has(operation)) return [];
  const walk = new RequestWalk(TOKEN_INPUTS.has(operation));
  const inputs = Object.hasOwn(INPUTS, operation) ? INPUTS[operation] : Object.keys(body).filter((field) => !NO_TEXTS.has(field));
  for (const field of inputs) walk.look(body, field, { path: field, role: SYSTEM.has(field) ? 'system' : undefined, kind: 'content' });
  for (const field of DEFINITIONS) if (!inputs.includes(field)) walk.descriptions(body[field], field);
  return walk.texts;
}

interface Step {
  readonly path: string;
  readonly role: TextRole | undefined;
  readonly kind: TextKind;
  readonly tool?: string | undefined;
}

class RequestWalk {
  readonly texts: RequestText[] = [];
  /** Names of called tools by the id of their call. */
  private readonly tools = new Map<unknown, string>();
  private depth = 0;

  /** @param refusesTokens whether numbers are tokens, which hide a text */
  constructor(private readonly refusesTokens: boolean) {}

  look(holder: object, key: string | number, step: Step): void {
    const value = (holder as Record<string | number, unknown>)[key];
    if (typeof value === 'string') this.add(holder, key, value, step);
    else if (Array.isArray(value))
      this.deeper(() => value.forEach((_, at) => this.look(value, at, { ...step, path: `${step.path}.${at}` })));
    else if (isObject(value)) this.deeper(() => this.fields(value, step));
    else if (typeof value === 'number' && this.refusesTokens) throw new UnreadableRequest('its input must be text instead of tokens');
  }

  /** Descriptions in definitions, at any depth. */
  descriptions(value: unknown, path: string): void {
    if (typeof value !== 'object' || value === null) return;
    this.deeper(() => {
      for (const [key, inner] of Object.entries(value)) {
        const at = `${path}.${key}`;
        if (key === 'description' && typeof inner === 'string') this.add(value, key, inner, { path: at, role: undefined, kind: 'other' });
        else this.descriptions(inner, at);
      }
    });
  }

  private fields(fields: Fields, step: Step): void {
    const { type, role, name } = fields;
    const isResult = typeof type === 'string' && TOOL_RESULTS.test(type);
    const called = this.calledTool(fields);
    if (called !== undefined && !isResult && role === undefined)
      this.texts.push({
        ...textOf({ ...step, path: `${step.path}.name`, kind: 'content' }),
        kind: 'tool_name',
        text: called,
        put: () => {},
      });
    const own: Step = {
      ...step,
      role: isResult ? 'tool' : typeof role === 'string' && Object.hasOwn(ROLES, role) ? ROLES[role] : step.role,
      tool: called ?? (typeof name === 'string' && (role === 'tool' || role === 'function') ? name : step.tool),
    };
    for (const [key, inner] of Object.entries(fields)) {
      if (NO_TEXTS.has(key) && !(MAYBE_TEXTS.has(key) && typeof inner === 'object')) continue;
      const path = `${step.path}.${key}`;
      const kind = REASONING.test(key) ? 'reasoning' : key === 'refusal' ? 'refusal' : own.kind;
      // Gemini's results and arguments are objects, and so is the input of Anthropic's tools.
      const isArguments = key === 'arguments' || (isObject(inner) && (key === 'args' || (key === CALLED_INPUT && called !== undefined)));
      if (isArguments) this.arguments(fields, key, { ...own, path, kind: 'arguments' });
      else if (key === 'functionResponse' && isObject(inner)) this.arguments(fields, key, { ...own, path, role: 'tool' });
      else this.look(fields, key, { ...own, path, kind });
    }
  }

  /** The tool of a call, or of its result. */
  private calledTool({
    type,
    id,
    name,
    call_id: callId,
    tool_call_id: chatId,
    tool_use_id: useId,
    function: chat,
    custom,
  }: Fields): string | undefined {
    const inner = isObject(chat) ? chat.name : isObject(custom) ? custom.name : undefined;
    const isCall = typeof type === 'string' && /_call$|tool_use$/.test(type);
    const called = inner ?? (isCall ? name : undefined);
    if (typeof called === 'string') {
      for (const each of [id, callId]) if (typeof each === 'string') this.tools.set(each, called);
      return called;
    }
    for (const each of [callId, chatId, useId]) if (this.tools.has(each)) return this.tools.get(each);
    return undefined;
  }

  /** Arguments as one text of JSON. */
  private arguments(holder: object, key: string, step: Step): void {
    const value = (holder as Record<string, unknown>)[key];
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    if (text === '' || text === undefined) return;
    const json = new JsonWindow(text, false);
    const put = (edits: readonly TextEdit[]): void => {
      const changed = edited(text, json.edits(edits, true));
      (holder as Record<string, unknown>)[key] = typeof value === 'string' ? changed : JSON.parse(changed);
    };
    this.texts.push({ ...textOf(step), text: json.text, put });
  }

  private add(holder: object, key: string | number, value: string, step: Step): void {
    if (value === '') return;
    const put = (edits: readonly TextEdit[]): void => void ((holder as Record<string | number, unknown>)[key] = edited(value, edits));
    this.texts.push({ ...textOf(step), text: value, put });
  }

  private deeper(work: () => void): void {
    if (++this.depth > DEEPEST) throw new UnreadableRequest(`it is nested deeper than ${DEEPEST} levels`);
    work();
    this.depth--;
  }
}

function textOf({ path, role, kind, tool }: Step): Omit<RequestText, 'text' | 'put'> {
  return { path, kind, ...(role !== undefined && { role }), ...(tool !== undefined && { tool }) };
}

/** A copy of a body whose texts can be changed. Bytes and other objects of the app stay. */
export function copiedBody(body: Fields): Fields {
  return copied(body) as Fields;
}

function copied(value: unknown): unknown {
  if (Array.isArray(value)) return listOf(value).map(copied);
  if (!isObject(value) || ![Object.prototype, null].includes(Object.getPrototypeOf(value) as object | null)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copied(inner)]));
}
