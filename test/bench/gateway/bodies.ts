import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './contenders.js';

/** A message of a request. */
interface Message {
  readonly role: string;
  readonly content: string;
}

/** What the bodies of a load are made of. */
export interface BodyKind {
  /** Of the messages, on average; absent: two short ones, the same in each request. */
  readonly bytes?: number;
  /** Whether a client makes twenty calls of one conversation, or each request is all new. */
  readonly isSession?: boolean;
  /** Whether a client sends the same messages in each request. */
  readonly isRepeated?: boolean;
}

const CALLS_OF_SESSION = 20;
const MESSAGES = 20;
const SHORT: readonly Message[] = [
  { role: 'system', content: 'You are a helpful assistant. Answer in one paragraph, without lists, and say what you do not know.' },
  { role: 'user', content: 'Why is the sky blue during the day and red in the evening? Please explain it to a child of ten years.' },
];

let corpus = '';

/** Real texts, of the project itself: Markdown and TypeScript. */
function texts(): string {
  if (corpus !== '') return corpus;
  const files = ['docs', 'lib'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(?:md|ts)$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name)),
  );
  return (corpus = files.map((file) => readFileSync(file, 'utf8')).join('\n'));
}

/** A message that was never sent before. */
function newMessage(bytes: number, index: number): Message {
  const all = texts();
  const length = Math.min(Math.round(bytes), all.length - 1);
  const start = randomInt(all.length - length);
  const role = index === 0 ? 'system' : index % 2 === 1 ? 'user' : 'assistant';
  // Without half a surrogate pair at the ends, which liter-llm refuses.
  const text = Buffer.from(all.slice(start, start + length)).toString();
  return { role, content: `${randomInt(2 ** 40)} ${text}` };
}

/** Makes the messages of one client's requests, one after the other. */
export function messagesOf({ bytes, isSession = false, isRepeated = false }: BodyKind): () => readonly Message[] {
  if (bytes === undefined) return () => SHORT;
  const allNew = (): Message[] => Array.from({ length: MESSAGES }, (_, index) => newMessage(bytes / MESSAGES, index));
  const repeated = isRepeated ? allNew() : undefined;
  if (repeated !== undefined) return () => repeated;
  if (!isSession) return allNew;
  // From one message to twenty: ten and a half on average.
  const each = (bytes * 2) / (CALLS_OF_SESSION + 1);
  let history: Message[] = [];
  return () => {
    if (history.length === CALLS_OF_SESSION) history = [];
    history.push(newMessage(each, history.length));
    return history;
  };
}
