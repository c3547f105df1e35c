import { eventsIn } from '../support/stream-events.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { MESSAGES_BRIDGE } from '../../lib/apis/messages/messages.js';
import { disorderIn, joinedMessage, messageEventsIn, type MessageEvent } from '../support/message-events.js';

// Compares the bridge of Messages with LiteLLM's (fixtures/litellm/messages_bridge.py).

type Fields = Readonly<Record<string, unknown>>;
interface RecordedAnswer {
  readonly chat: Fields;
  readonly whole: Fields;
  readonly chunks: readonly Fields[];
  readonly events: readonly MessageEvent[];
}

const recorded = JSON.parse(readFileSync(join(__dirname, '../fixtures/litellm/messages-bridge.json'), 'utf8')) as {
  readonly requests: Readonly<Record<string, { readonly given: Fields; readonly sent: Fields }>>;
  readonly answers: Readonly<Record<string, RecordedAnswer>>;
};

/** What is sent otherwise on purpose. */
const WANTED: Readonly<Record<string, string>> = {
  'system blocks': 'marks of the cache are removed where the request is written for a provider without them',
  'two texts of the assistant': 'texts stay apart, and are joined for providers that take only one',
  'no parallel tools': 'chat has a parameter for it',
  sampling: 'a stream of messages reports its usage',
  'no thinking': 'models that always think refuse the effort none',
};

/** A list of one text as the text, no `null`, and arguments of calls as values. */
function plain(value: unknown, key = ''): unknown {
  if (key === 'arguments' && typeof value === 'string') return JSON.parse(value);
  if (typeof value !== 'object' || value === null) return value;
  if (!Array.isArray(value)) {
    const entries = Object.entries(value).filter(([name, each]) => each !== null || name === 'content');
    return Object.fromEntries(entries.map(([name, each]) => [name, plain(each, name)]));
  }
  const [only] = value as Fields[];
  const isText = key === 'content' && value.length === 1 && isDeepStrictEqual(Object.keys(only), ['type', 'text']);
  return isText ? only.text : value.map((each) => plain(each));
}

describe('a request of messages becomes the chat that LiteLLM makes of it, or differs for a reason', () => {
  const used = new Set<string>();

  it.each(Object.entries(recorded.requests))('%s', (name, { given, sent }) => {
    const chat = plain(MESSAGES_BRIDGE.request(given as never, { provider: 'openai' } as never));
    if (isDeepStrictEqual(chat, plain(sent))) return;
    if (WANTED[name] === undefined) expect(chat).toEqual(plain(sent));
    used.add(name);
  });

  it('needs every reason', () => expect([...used].sort()).toEqual(Object.keys(WANTED).sort()));
});

/** Without ids, which are Anthropic's here, without signatures that are none, and with all of the usage. */
function comparable({ id: _, content, usage, stop_details: __, ...message }: Fields): Fields {
  const blocks = (content as Fields[]).map(({ signature, ...block }) => ({ ...block, ...(Boolean(signature) && { signature }) }));
  return { ...message, content: blocks, usage: { cache_creation_input_tokens: 0, ...(usage as Fields) } };
}

/** What the events say between their beginning and their end. */
function contentEvents(events: readonly MessageEvent[]): MessageEvent[] {
  return events.filter(({ type, delta }) => type.startsWith('content_block') && delta?.partial_json !== '' && delta?.text !== '');
}

describe('a chat becomes the message that LiteLLM makes of it', () => {
  it.each(Object.entries(recorded.answers))('%s', (_, { chat, whole, chunks, events }) => {
    const answer = MESSAGES_BRIDGE.answer({ model: 'gpt-5' });
    const message = JSON.parse(answer.whole(Buffer.from(JSON.stringify(chat))).toString()) as Fields;
    expect(comparable(message)).toEqual(comparable(whole));
    const sent = `${chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join('')}data: [DONE]\n\n`;
    const ours = messageEventsIn(answer.events(eventsIn(sent)) + answer.end());
    expect(disorderIn(ours)).toBeUndefined();
    expect(contentEvents(ours)).toEqual(contentEvents(events));
    const [ourEnd, theirEnd] = [ours, events].map((all) => joinedMessage(all));
    expect(ourEnd.stop_reason).toBe(theirEnd.stop_reason);
    expect(ourEnd.usage).toMatchObject(theirEnd.usage);
  });
});
