import { type Fields, fieldsOf, isObject, jsonIn, listOf, nonEmptyString } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { refused } from '../parameters.js';
import { splitCallId, type GeminiPart, type GeminiTurn } from './content-types.js';
import { mediaPartOf, resolutionOf, type MediaTarget } from './media.js';

/** A conversation in Gemini's words. */
export interface GeminiContents {
  readonly contents: readonly GeminiTurn[];
  readonly systemInstruction: { readonly parts: readonly GeminiPart[] } | undefined;
  /** For all media together, for models that have it only so. */
  readonly mediaResolution: string | undefined;
}

/** Google's value for calls that no Gemini has signed: it skips the check (as base64). */
const NO_SIGNATURE = Buffer.from('skip_thought_signature_validator').toString('base64');
/** For turns that would have no text, which Gemini refuses. */
const BLANK = ' ';
/** The user's turn if there are only instructions, as in LiteLLM. */
const NO_QUESTION = '.';

/**
 * Translates messages. Runs of a role are merged; the results of functions stand in one turn
 * directly after their calls, in the order of the calls, wherever the client put them.
 * @throws InvalidArgumentError, UnsupportedRequestError naming the message
 */
export function contentsOf(messages: unknown, target: MediaTarget): GeminiContents {
  if (!Array.isArray(messages) || messages.length === 0)
    throw new InvalidArgumentError('messages', messages, 'must be a non-empty array of messages');
  const conversation = new Conversation(target);
  messages.forEach((message: unknown, at) => conversation.add(fieldsOf(message), `messages[${at}]`));
  return conversation.end();
}

/** A turn while it grows: of one role, or of results. */
interface OpenTurn {
  readonly role: GeminiTurn['role'];
  readonly parts: GeminiPart[];
  /** The turn's results of functions, in the order of the calls; empty until they come. */
  readonly results: CallResult[] | undefined;
}

interface CallResult {
  readonly name: string;
  parts: readonly GeminiPart[];
}

class Conversation {
  private readonly system: GeminiPart[] = [];
  private readonly turns: OpenTurn[] = [];
  /** By id; a later call of the same id is meant by what follows it. */
  private readonly calls = new Map<string, CallResult>();
  private readonly details: unknown[] = [];

  constructor(private readonly target: MediaTarget) {}

  add(message: Fields, path: string): void {
    switch (message.role) {
      case 'system':
      case 'developer':
        return this.instruct(message.content);
      case 'user':
        this.turnOf('user').parts.push(...this.partsOf(message.content, `${path}.content`));
        return;
      case 'assistant':
        return this.addAnswer(message, path);
      case 'tool':
      case 'function':
        return this.addResult(message, path);
      default:
        throw new InvalidArgumentError(`${path}.role`, message.role, 'must be system, developer, user, assistant or tool');
    }
  }

  end(): GeminiContents {
    const { system, details, target } = this;
    const contents = this.closedTurns();
    if (contents.length === 0) contents.push({ role: 'user', parts: [{ text: NO_QUESTION }] });
    return {
      contents,
      systemInstruction: system.length === 0 ? undefined : { parts: system },
      mediaResolution: target.model.isThree ? undefined : resolutionOf(details),
    };
  }

  private instruct(content: unknown): void {
    const text = allText(content);
    if (text !== '') this.system.push({ text });
  }

  private addAnswer(message: Fields, path: string): void {
    const { parts } = this.turnOf('model');
    const calls = callsIn(message, path);
    const signatures = new Set(calls.map(({ signature }) => signature));
    const thought = nonEmptyString(message.reasoning_content);
    if (thought !== undefined) parts.push({ thought: true, text: thought });
    const answer = this.partsOf(message.content, `${path}.content`);
    parts.push(...signed(answer, textSignatureOf(message, signatures)));
    listOf(message.images).forEach((image, at) => {
      parts.push(this.part({ ...fieldsOf(image), type: 'image_url' }, `${path}.images[${at}]`));
    });
    parts.push(...calls.map((call, at) => this.callPart(call, at === 0)));
    if (calls.length === 0) return;
    const results = calls.map(({ name }): CallResult => ({ name, parts: [] }));
    this.turns.push({ role: 'user', parts: [], results });
    calls.forEach(({ id }, at) => id !== undefined && this.calls.set(id, results[at]));
  }

  private callPart({ name, args, id, signature }: Call, isFirst: boolean): GeminiPart {
    const { isThree } = this.target.model;
    // Gemini signs the first of parallel calls, and Gemini 3 requires that signature.
    const thoughtSignature = signature ?? (isThree && isFirst ? NO_SIGNATURE : undefined);
    // Older models reject ids.
    const functionCall = { name, args, ...(isThree && id !== undefined && { id }) };
    return { functionCall, ...(thoughtSignature !== undefined && { thoughtSignature }) };
  }

  private addResult(message: Fields, path: string): void {
    const { isThree } = this.target.model;
    const given = nonEmptyString(message.tool_call_id);
    const id = given === undefined ? undefined : splitCallId(given).id;
    const result = (id === undefined ? undefined : this.calls.get(id)) ?? this.resultBy(message, path);
    const { texts, media } = this.resultContent(message.content, `${path}.content`);
    const nested = isThree && media.length > 0;
    const functionResponse = {
      name: result.name,
      response: responseOf(texts),
      ...(isThree && id !== undefined && { id }),
      ...(nested && { parts: media }),
    };
    result.parts = nested ? [{ functionResponse }] : [{ functionResponse }, ...media];
  }

  /** A result that belongs to no call of the conversation can still name its function. */
  private resultBy({ name, tool_call_id: id }: Fields, path: string): CallResult {
    const known = nonEmptyString(name);
    if (known === undefined) throw new InvalidArgumentError(`${path}.tool_call_id`, id, 'must be the id of a call in an earlier message');
    const last = this.turns.at(-1);
    const waiting = last?.results?.find((result) => result.name === known && result.parts.length === 0);
    if (waiting !== undefined) return waiting;
    const result: CallResult = { name: known, parts: [] };
    if (last?.results === undefined) this.turns.push({ role: 'user', parts: [], results: [result] });
    else last.results.push(result);
    return result;
  }

  private resultContent(content: unknown, path: string): { readonly texts: string; readonly media: readonly GeminiPart[] } {
    if (!Array.isArray(content)) return { texts: typeof content === 'string' ? content : '', media: [] };
    const parts = this.partsOf(content, path);
    const texts = parts.map(({ text }) => (typeof text === 'string' ? text : '')).join('');
    return { texts, media: parts.filter(({ text }) => text === undefined) };
  }

  private turnOf(role: GeminiTurn['role']): OpenTurn {
    const last = this.turns.at(-1);
    if (last?.role === role && last.results === undefined) return last;
    const turn: OpenTurn = { role, parts: [], results: undefined };
    this.turns.push(turn);
    return turn;
  }

  private partsOf(content: unknown, path: string): GeminiPart[] {
    if (content === undefined || content === null || content === '') return [];
    if (typeof content === 'string') return [{ text: content }];
    if (!Array.isArray(content)) throw new InvalidArgumentError(path, content, 'must be a string or an array of parts');
    return content
      .map((part: unknown, at) => (typeof part === 'string' ? { text: part } : this.part(fieldsOf(part), `${path}[${at}]`)))
      .filter(({ text }) => text !== '');
  }

  private part(part: Fields, path: string): GeminiPart {
    const { type, text, refusal } = part;
    if (type === 'text' && typeof text === 'string') return { text };
    if (type === 'refusal' && typeof refusal === 'string') return { text: refusal };
    const media = mediaPartOf(part, path, this.target);
    if (media === undefined) throw refused(`${path}.type`, this.target.sent, `${String(type)} parts are not supported by Gemini`);
    if (type === 'image_url') this.details.push(fieldsOf(part.image_url).detail);
    return media;
  }

  private closedTurns(): GeminiTurn[] {
    const closed: { readonly role: GeminiTurn['role']; readonly parts: GeminiPart[]; readonly isResults: boolean }[] = [];
    for (const { role, parts, results } of this.turns) {
      const isResults = results !== undefined;
      const own = isResults ? results.flatMap((result) => result.parts) : parts;
      if (own.length === 0 && (isResults || role === 'model')) continue;
      const last = closed.at(-1);
      if (last?.role === role && !last.isResults && !isResults) last.parts.push(...own);
      else closed.push({ role, parts: [...own], isResults });
    }
    for (const { role, parts, isResults } of closed) {
      if (role === 'user' && !isResults && !parts.some(({ text }) => text !== undefined)) parts.push({ text: BLANK });
    }
    return closed.map(({ role, parts }) => ({ role, parts }));
  }
}

/** A call in a message, its signature found. */
interface Call {
  readonly id: string | undefined;
  readonly name: string;
  readonly args: Fields;
  readonly signature: string | undefined;
}

function callsIn({ tool_calls: calls, function_call: legacy }: Fields, path: string): readonly Call[] {
  const found = listOf(calls).map((call, at) => callOf(fieldsOf(call), `${path}.tool_calls[${at}]`));
  return found.length > 0 || typeof legacy !== 'object' || legacy === null
    ? found
    : [callOf({ function: legacy }, path, `${path}.function_call`)];
}

function callOf(call: Fields, path: string, functionPath = `${path}.function`): Call {
  const called = fieldsOf(call.function);
  const name = nonEmptyString(called.name);
  if (name === undefined) throw new InvalidArgumentError(`${functionPath}.name`, called.name, 'must be the name of a function');
  const { id, signature } = typeof call.id === 'string' ? splitCallId(call.id) : { id: undefined, signature: undefined };
  const stated = [call, called].map(({ provider_specific_fields: more }) => nonEmptyString(fieldsOf(more).thought_signature));
  const args = argumentsOf(called.arguments, `${functionPath}.arguments`);
  return { id: id === '' ? undefined : id, name, args, signature: stated[0] ?? stated[1] ?? signature };
}

function argumentsOf(given: unknown, path: string): Fields {
  if (given === undefined || given === null || (typeof given === 'string' && given.trim() === '')) return {};
  const value = typeof given === 'string' ? jsonIn(given) : given;
  if (isObject(value)) return value;
  throw new InvalidArgumentError(path, given, 'must be a JSON object');
}

/** Google reads `$ref` in a result as a pointer to its media. */
const POINTER = /"\$ref"|\\u00/;

/** A result that is a JSON object as it is, any other as text. */
function responseOf(text: string): Fields {
  const value = text.trimStart().startsWith('{') && !POINTER.test(text) ? jsonIn(text) : undefined;
  return isObject(value) ? value : { content: text };
}

/** The signature of an answer's text. One that a call carries, too, would be billed twice. */
function textSignatureOf({ provider_specific_fields: more }: Fields, ofCalls: ReadonlySet<string | undefined>): string | undefined {
  const first = nonEmptyString(listOf(fieldsOf(more).thought_signatures)[0]);
  return first === undefined || ofCalls.has(first) ? undefined : first;
}

function signed(parts: readonly GeminiPart[], signature: string | undefined): readonly GeminiPart[] {
  if (signature === undefined) return parts;
  const [first = { text: '' }, ...others] = parts;
  return [{ ...first, thoughtSignature: signature }, ...others];
}

function allText(content: unknown): string {
  if (typeof content === 'string') return content;
  return listOf(content)
    .map((part) => (typeof part === 'string' ? part : fieldsOf(part).text))
    .filter((text) => typeof text === 'string')
    .join('');
}
