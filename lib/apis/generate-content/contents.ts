import { errorMessage, InvalidArgumentError } from '../../common/errors.js';
import { UnsupportedRequestError } from '../../common/http-errors.js';
import type { Fields } from '../../common/objects.js';
import { checkArray, checkObject, checkString, refuseArgument } from '../../common/options.js';
import { idWithSignature } from '../../providers/gemini/content-types.js';
import type { ChatMessage, ChatPart, ChatToolCall, ThinkingBlock } from '../../providers/openai/chat-types.js';
import { field, objectField, textField } from './fields.js';
import { thinkingBlockOf } from './signatures.js';

/** The system instruction of a request as a chat message. */
export function systemMessage(instruction: unknown): readonly ChatMessage[] {
  if (instruction === undefined || instruction === null) return [];
  const parts =
    typeof instruction === 'string'
      ? [{ text: instruction }]
      : checkArray('systemInstruction.parts', checkObject('systemInstruction', instruction, refuseArgument).parts, object, refuseArgument);
  const texts = parts.map((part, at) => checkText(`systemInstruction.parts[${at}].text`, part.text));
  const content = texts.filter((text) => text !== '').join('\n');
  return content === '' ? [] : [{ role: 'system', content }];
}

/**
 * The conversation of a request as chat messages. Calls without an id get one by their place, and
 * results without an id belong to the next call of their name.
 * @throws InvalidArgumentError naming the part (`contents[3].parts[1]`)
 */
export function chatMessages(contents: unknown, provider: string): readonly ChatMessage[] {
  const given = typeof contents === 'string' ? [{ role: 'user', parts: [{ text: contents }] }] : contents;
  const conversation = new Conversation(provider);
  const messages = checkArray('contents', given, (path, turn) => conversation.read(path, object(path, turn)), refuseArgument).flat();
  if (messages.length === 0) throw new InvalidArgumentError('contents', contents, 'must have at least one part');
  return messages;
}

class Conversation {
  /** Ids of calls that no result has answered yet, by the name of the function. */
  private readonly open = new Map<string, string[]>();
  private calls = 0;

  constructor(private readonly provider: string) {}

  read(path: string, turn: Fields): readonly ChatMessage[] {
    const { role } = turn;
    const parts = checkArray(`${path}.parts`, turn.parts ?? [], object, refuseArgument).map(
      (part, at) => [`${path}.parts[${at}]`, part] as const,
    );
    if (role === 'model') return this.modelTurn(parts);
    if (role === undefined || role === null || role === 'user' || role === 'function') return this.userTurn(parts);
    throw new InvalidArgumentError(`${path}.role`, role, 'must be user or model');
  }

  /** Results first: chat requires them directly after their calls. */
  private userTurn(parts: readonly (readonly [string, Fields])[]): readonly ChatMessage[] {
    const results: ChatMessage[] = [];
    const content: ChatPart[] = [];
    for (const [path, part] of parts) {
      const response = field(part, 'functionResponse');
      if (response !== undefined) results.push(this.result(`${path}.functionResponse`, object(path, response)));
      else content.push(...partsOf(path, part, this.provider));
    }
    return content.length === 0 ? results : [...results, { role: 'user', content: contentOf(content) }];
  }

  private modelTurn(parts: readonly (readonly [string, Fields])[]): readonly ChatMessage[] {
    const content: ChatPart[] = [];
    const calls: ChatToolCall[] = [];
    const thinking: ThinkingBlock[] = [];
    const thoughts: string[] = [];
    for (const [path, part] of parts) {
      const call = field(part, 'functionCall');
      const signature = textField(part, 'thoughtSignature');
      if (call !== undefined) calls.push(this.call(`${path}.functionCall`, object(path, call), signature));
      else if (part.thought === true) {
        const text = typeof part.text === 'string' ? part.text : '';
        const block = signature === undefined ? undefined : thinkingBlockOf(text, signature);
        if (block !== undefined) thinking.push(block);
        if (text !== '') thoughts.push(text);
      } else content.push(...partsOf(path, part, this.provider));
    }
    if (content.length + calls.length + thinking.length + thoughts.length === 0) return [];
    return [
      {
        role: 'assistant',
        content: content.length > 0 ? contentOf(content) : calls.length > 0 ? null : '',
        ...(calls.length > 0 && { tool_calls: calls }),
        ...(thoughts.length > 0 && { reasoning_content: thoughts.join('\n') }),
        ...(thinking.length > 0 && { thinking_blocks: thinking }),
      },
    ];
  }

  private call(path: string, call: Fields, signature: string | undefined): ChatToolCall {
    const name = checkString(`${path}.name`, call.name, refuseArgument);
    const own = textField(call, 'id') ?? `call_${this.calls}`;
    this.calls++;
    // As in LiteLLM, Gemini's signature is sent back to it in the id.
    const isGeminis = signature !== undefined && thinkingBlockOf('', signature) === undefined;
    const id = isGeminis ? idWithSignature(own, signature) : own;
    const open = this.open.get(name);
    if (open === undefined) this.open.set(name, [id]);
    else open.push(id);
    return { id, type: 'function', function: { name, arguments: jsonOf(`${path}.args`, call.args ?? {}) } };
  }

  private result(path: string, result: Fields): ChatMessage {
    const name = checkString(`${path}.name`, result.name, refuseArgument);
    const open = this.open.get(name) ?? [];
    const given = textField(result, 'id');
    const at = given === undefined ? 0 : open.findIndex((id) => id === given || id.startsWith(`${given}__thought__`));
    const [id] = at < 0 ? [] : open.splice(at, 1);
    if (id === undefined && given === undefined)
      throw new InvalidArgumentError(path, name, 'must follow a functionCall with the same name');
    const media = checkArray(`${path}.parts`, result.parts ?? [], object, refuseArgument).flatMap((part, index) =>
      partsOf(`${path}.parts[${index}]`, part, this.provider),
    );
    const text = jsonOf(`${path}.response`, result.response ?? {});
    const content = media.length === 0 ? text : [{ type: 'text', text }, ...media];
    return { role: 'tool', tool_call_id: id ?? given, content };
  }
}

/** Extensions for which chat has a format of audio. */
const AUDIO = /^audio\/(?:x-)?([\w.-]{1,32})/;
const FORMATS: Readonly<Record<string, string>> = { mpeg: 'mp3', mp3: 'mp3', wav: 'wav', wave: 'wav' };

function partsOf(path: string, part: Fields, provider: string): readonly ChatPart[] {
  const { text } = part;
  if (typeof text === 'string') return text === '' ? [] : [{ type: 'text', text }];
  const inline = field(part, 'inlineData');
  if (inline !== undefined) return [inlinePart(`${path}.inlineData`, object(path, inline))];
  const file = field(part, 'fileData');
  if (file !== undefined) return [filePart(`${path}.fileData`, object(path, file))];
  const code = objectField(part, 'executableCode');
  if (typeof code.code === 'string') return [{ type: 'text', text: code.code }];
  const { output } = objectField(part, 'codeExecutionResult');
  if (typeof output === 'string') return [{ type: 'text', text: output }];
  const [kind = 'empty'] = Object.keys(part);
  const reason = `${provider} is called through the chat API, which does not support the part ${kind.slice(0, 64)}`;
  throw new UnsupportedRequestError({ param: path, provider, reason, remedy: 'remove the part, or use a Gemini model' });
}

function inlinePart(path: string, inline: Fields): ChatPart {
  const mimeType = checkString(`${path}.mimeType`, field(inline, 'mimeType'), refuseArgument);
  const data = checkString(`${path}.data`, inline.data, refuseArgument);
  if (mimeType.startsWith('text/')) return { type: 'text', text: Buffer.from(data, 'base64').toString('utf8') };
  const url = `data:${mimeType};base64,${data}`;
  if (mimeType.startsWith('image/')) return { type: 'image_url', image_url: { url } };
  const [, kind = ''] = AUDIO.exec(mimeType) ?? [];
  if (kind !== '') return { type: 'input_audio', input_audio: { data, format: FORMATS[kind] ?? kind } };
  const filename = textField(inline, 'displayName') ?? (mimeType === 'application/pdf' ? 'document.pdf' : 'file');
  return { type: 'file', file: { file_data: url, filename } };
}

function filePart(path: string, file: Fields): ChatPart {
  const url = checkString(`${path}.fileUri`, field(file, 'fileUri'), refuseArgument);
  const mimeType = textField(file, 'mimeType');
  if (mimeType?.startsWith('image/') === true) return { type: 'image_url', image_url: { url } };
  return { type: 'file', file: { file_id: url, ...(mimeType !== undefined && { format: mimeType }) } };
}

/** One text as a string, which every provider takes. */
function contentOf(parts: readonly ChatPart[]): string | readonly ChatPart[] {
  const [{ type, text }] = parts;
  return parts.length === 1 && type === 'text' && text !== undefined ? text : parts;
}

function object(path: string, value: unknown): Fields {
  return checkObject(path, value, refuseArgument);
}

function checkText(path: string, text: unknown): string {
  if (typeof text === 'string') return text;
  throw new InvalidArgumentError(path, text, 'must be a string');
}

/** @throws InvalidArgumentError for a cycle, a BigInt, or too deep an object */
function jsonOf(path: string, value: unknown): string {
  const fields = object(path, value);
  try {
    return JSON.stringify(fields);
  } catch (error) {
    throw new InvalidArgumentError(path, value, `must be valid JSON (${errorMessage(error)})`);
  }
}
