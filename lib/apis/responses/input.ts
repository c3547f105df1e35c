import { type Fields, isSet } from '../../common/objects.js';
import { append } from '../../common/collections.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { UnsupportedRequestError } from '../../common/http-errors.js';
import { checkArray, checkObject, checkString, refuseArgument } from '../../common/options.js';
import type { ChatMessage, ChatPart, ChatToolCall, ThinkingBlock } from '../../providers/openai/chat-types.js';
import { refused } from '../../providers/parameters.js';
import type { SentRequest } from '../../providers/protocol.js';
import type { ModelRequest } from '../../providers/model-request.js';
import { containersIn } from '../../http/body/containers.js';
import { sealedIn, thinkingBlocksIn } from '../../providers/openai/responses/items.js';
import type { KeptItems } from '../../providers/openai/responses/kept-items.js';
import { nameInChat } from './namespaces.js';

const MOST_SEALED = 20_000;
const ROLES = ['user', 'assistant', 'system', 'developer'] as const;
type Role = (typeof ROLES)[number];

/** The messages of `instructions` and `input`. */
export function chatMessagesOf({ instructions, input }: ModelRequest, sent: SentRequest, kept: KeptItems): readonly ChatMessage[] {
  const reader = new InputReader(sent, kept);
  if (isSet(instructions)) reader.message('system', textIn('instructions', instructions));
  if (typeof input === 'string') reader.message('user', input);
  else checkArray('input', input, (path, value) => reader.item(path, checkObject(path, value, refuseArgument)), refuseArgument);
  return reader.end();
}

/** Reads input items in several turns; those of one assistant turn become one message of chat. */
class InputReader {
  private readonly messages: ChatMessage[] = [];
  private turn: AssistantTurn | undefined = undefined;
  /** Objects and lists in sealed reasoning so far. */
  private sealed = 0;

  constructor(
    private readonly sent: SentRequest,
    private readonly kept: KeptItems,
  ) {}

  item(path: string, item: Fields): void {
    const type = item.type ?? (item.role === undefined ? 'item_reference' : 'message');
    switch (type) {
      case 'message':
        return this.messageItem(path, item);
      case 'function_call':
        return this.assistant().call({
          id: checkString(`${path}.call_id`, item.call_id, refuseArgument),
          type: 'function',
          function: {
            name: nameInChat(checkString(`${path}.name`, item.name, refuseArgument), item.namespace),
            arguments: textIn(`${path}.arguments`, item.arguments),
          },
        });
      case 'function_call_output':
        return this.push({
          role: 'tool',
          tool_call_id: checkString(`${path}.call_id`, item.call_id, refuseArgument),
          content: this.content(`${path}.output`, item.output),
        });
      case 'reasoning':
        return this.assistant().think(reasoningText(path, item), this.thinking(`${path}.encrypted_content`, item.encrypted_content));
      case 'item_reference':
        return this.reference(path, item);
      default:
        throw refused(`${path}.type`, this.sent, `${this.sent.provider} does not support items of type ${shown(type)}`);
    }
  }

  /** The bounds of JSON bodies do not apply to sealed content. */
  private thinking(path: string, encrypted: unknown): readonly ThinkingBlock[] | undefined {
    const json = sealedIn(encrypted);
    if (json === undefined) return undefined;
    this.sealed += containersIn(json);
    if (this.sealed > MOST_SEALED)
      throw new InvalidArgumentError(path, this.sealed, `must have at most ${MOST_SEALED} blocks across all items`);
    return thinkingBlocksIn(json);
  }

  message(role: Exclude<Role, 'assistant'>, content: ChatMessage['content']): void {
    this.push({ role, content });
  }

  end(): readonly ChatMessage[] {
    this.endTurn();
    return this.messages;
  }

  private messageItem(path: string, { role, content }: Fields): void {
    if (!ROLES.includes(role as Role)) throw new InvalidArgumentError(`${path}.role`, role, `must be one of ${ROLES.join(', ')}`);
    const parts = this.content(`${path}.content`, content);
    if (role === 'assistant') this.assistant().say(parts);
    else this.message(role as Exclude<Role, 'assistant'>, parts);
  }

  private reference(path: string, { id }: Fields): void {
    const item = this.kept.get(checkString(`${path}.id`, id, refuseArgument));
    if (item !== undefined) return this.item(path, item as unknown as Fields);
    // Reasoning only helps the model; it is not part of the conversation.
    if (String(id).startsWith('rs_')) return;
    const { provider } = this.sent;
    const reason = `this process no longer keeps the item, and ${provider} does not store items`;
    const remedy = 'set store: false, so that the client sends items instead of their ids';
    throw new UnsupportedRequestError({ param: path, provider, reason, remedy });
  }

  /** Texts alone become one string, which every provider accepts. */
  private content(path: string, value: unknown): string | readonly ChatPart[] {
    if (typeof value === 'string') return value;
    const parts = checkArray(path, value, (at, part) => this.part(at, checkObject(at, part, refuseArgument)), refuseArgument);
    return parts.length === 1 && isText(parts[0]) ? parts[0].text : parts;
  }

  private part(path: string, part: Fields): ChatPart {
    const cache = isSet(part.cache_control) ? { cache_control: part.cache_control as object } : undefined;
    switch (part.type) {
      case 'input_text':
      case 'output_text':
      case 'text':
        return { type: 'text', text: textIn(`${path}.text`, part.text), ...cache };
      case 'refusal':
        return { type: 'text', text: textIn(`${path}.refusal`, part.refusal) };
      case 'input_image':
        return { type: 'image_url', image_url: this.image(path, part), ...cache };
      case 'input_file':
        return { type: 'file', file: fileOf(path, part), ...cache };
      case 'input_audio':
        return { type: 'input_audio', input_audio: checkObject(`${path}.input_audio`, part.input_audio, refuseArgument) as never };
      default:
        throw refused(`${path}.type`, this.sent, `${this.sent.provider} does not support content of type ${shown(part.type)}`);
    }
  }

  private image(path: string, { image_url: url, file_id: file, detail }: Fields): Exclude<ChatPart['image_url'], string | undefined> {
    if (!isSet(url) && isSet(file))
      throw refused(`${path}.file_id`, this.sent, `${this.sent.provider} cannot read images stored at OpenAI`);
    return { url: checkString(`${path}.image_url`, url, refuseArgument), ...(typeof detail === 'string' && { detail }) };
  }

  private assistant(): AssistantTurn {
    return (this.turn ??= new AssistantTurn());
  }

  private push(message: ChatMessage): void {
    this.endTurn();
    this.messages.push(message);
  }

  private endTurn(): void {
    if (this.turn !== undefined) this.messages.push(...this.turn.messages());
    this.turn = undefined;
  }
}

/** One turn of the assistant: thoughts, texts and calls, until any other item. */
class AssistantTurn {
  private readonly texts: ChatPart[] = [];
  private readonly calls: ChatToolCall[] = [];
  private readonly thoughts: string[] = [];
  private readonly blocks: ThinkingBlock[] = [];

  say(content: string | readonly ChatPart[]): void {
    if (typeof content !== 'string') append(this.texts, content);
    else if (content !== '') this.texts.push({ type: 'text', text: content });
  }

  call(call: ChatToolCall): void {
    this.calls.push(call);
  }

  think(text: string, blocks: readonly ThinkingBlock[] = []): void {
    if (text !== '') this.thoughts.push(text);
    append(this.blocks, blocks);
  }

  /** None for thoughts alone: no chat has such a message. */
  messages(): readonly ChatMessage[] {
    const { texts, calls, thoughts, blocks } = this;
    if (texts.length === 0 && calls.length === 0) return [];
    const [first] = texts;
    const content = texts.length === 0 ? null : texts.length === 1 && isText(first) ? first.text : texts;
    return [
      {
        role: 'assistant',
        content,
        ...(thoughts.length > 0 && { reasoning_content: thoughts.join('\n\n') }),
        ...(blocks.length > 0 && { thinking_blocks: blocks }),
        ...(calls.length > 0 && { tool_calls: calls }),
      },
    ];
  }
}

/** The summary, or the text itself of models that show it. */
function reasoningText(path: string, { summary, content }: Fields): string {
  const texts = (name: string, value: unknown): readonly string[] =>
    isSet(value)
      ? checkArray(`${path}.${name}`, value, (at, part) => textIn(`${at}.text`, checkObject(at, part, refuseArgument).text), refuseArgument)
      : [];
  const own = texts('content', content);
  return (own.length > 0 ? own : texts('summary', summary)).join('\n\n');
}

/** LiteLLM's chat has addresses of files as their ids. */
function fileOf(path: string, { file_data: data, file_id: id, file_url: url, filename }: Fields): NonNullable<ChatPart['file']> {
  const name = typeof filename === 'string' ? { filename } : undefined;
  if (isSet(data)) return { file_data: checkString(`${path}.file_data`, data, refuseArgument), ...name };
  const [field, value] = isSet(url) ? ['file_url', url] : ['file_id', id];
  return { file_id: checkString(`${path}.${field}`, value, refuseArgument), ...name };
}

function isText(part: ChatPart): part is ChatPart & { readonly text: string } {
  return part.type === 'text' && part.cache_control === undefined;
}

function textIn(path: string, value: unknown): string {
  if (typeof value === 'string') return value;
  throw new InvalidArgumentError(path, value, 'must be a string');
}

function shown(type: unknown): string {
  return typeof type === 'string' ? type.slice(0, 40) : typeof type;
}
