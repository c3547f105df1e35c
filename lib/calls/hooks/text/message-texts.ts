import { TEXT_PLACES, type BlockText } from '../../answer/text-places.js';
import {
  indexIn,
  NO_TEXTS,
  ownFields,
  ownList,
  UnreadableText,
  type EventTexts,
  type OwnFields,
  type StreamTexts,
  type TextFormat,
  type TextSlot,
} from './text-format.js';

const BY_BLOCK: Readonly<Record<string, BlockText>> = TEXT_PLACES.messages.blocks;
const BY_DELTA = new Map(Object.values(BY_BLOCK).map((each) => [each.delta, each]));

/** Anthropic's Messages. */
export const MESSAGE_TEXTS: TextFormat = {
  whole: (answer) => ownList(answer.content).flatMap((block, at) => blockSlot(block, String(at))),
  stream: () => new MessageTexts(),
};

class MessageTexts implements StreamTexts {
  private readonly open = new Map<number, BlockText>();

  read(event: OwnFields): EventTexts {
    const { type } = event;
    const index = indexIn(event.index);
    if (type === 'message_start' && ownList(ownFields(event.message).content).length > 0)
      throw new UnreadableText('a message that begins with content');
    if (type === 'content_block_start') return this.started(index, ownFields(event.content_block));
    if (type === 'content_block_delta') return this.added(index, ownFields(event.delta));
    if (type === 'content_block_stop') return this.stopped(index);
    return NO_TEXTS;
  }

  rest(): readonly { readonly event: OwnFields; readonly slot: TextSlot }[] {
    return [...this.open].map(([index, text]) => {
      const delta: OwnFields = { type: text.delta, [text.deltaField]: '' };
      const put = (given: string): void => void (delta[text.deltaField] = given);
      return { event: { type: 'content_block_delta', index, delta }, slot: { ...placeOf(index, text), text: '', isLast: true, put } };
    });
  }

  private started(index: number, block: OwnFields): EventTexts {
    const known = typeof block.type === 'string' && Object.hasOwn(BY_BLOCK, block.type) ? BY_BLOCK[block.type] : undefined;
    if (known === undefined) return NO_TEXTS;
    this.open.set(index, known);
    const text = block[known.field];
    if (typeof text === 'object') return { ...NO_TEXTS, slots: blockSlot(block, `${index}:${known.field}`) };
    if (typeof text !== 'string' || text === '') return NO_TEXTS;
    const put = (given: string): void => void (block[known.field] = given);
    return { ...NO_TEXTS, slots: [{ ...placeOf(index, known), text, at: { holder: block, field: known.field }, isLast: false, put }] };
  }

  private added(index: number, delta: OwnFields): EventTexts {
    const known = BY_DELTA.get(String(delta.type));
    if (known === undefined) return NO_TEXTS;
    this.open.set(index, known);
    const text = delta[known.deltaField];
    if (typeof text !== 'string') throw new UnreadableText('a delta without a text');
    const put = (given: string): void => void (delta[known.deltaField] = given);
    const at = { holder: delta, field: known.deltaField };
    return { ...NO_TEXTS, isOnlyText: true, slots: [{ ...placeOf(index, known), text, at, isLast: false, put }] };
  }

  private stopped(index: number): EventTexts {
    const known = this.open.get(index);
    if (known === undefined) return NO_TEXTS;
    this.open.delete(index);
    const before: OwnFields[] = [];
    const put = (given: string): void => {
      if (given !== '') before.push({ type: 'content_block_delta', index, delta: { type: known.delta, [known.deltaField]: given } });
    };
    return { ...NO_TEXTS, before, slots: [{ ...placeOf(index, known), text: '', isLast: true, put }] };
  }
}

function placeOf(index: number, { kind }: BlockText): Pick<TextSlot, 'part' | 'kind' | 'choice' | 'isJson'> {
  return { part: String(index), kind, choice: 0, isJson: kind === 'arguments' };
}

function blockSlot(block: OwnFields, part: string): TextSlot[] {
  const known = typeof block.type === 'string' && Object.hasOwn(BY_BLOCK, block.type) ? BY_BLOCK[block.type] : undefined;
  if (known === undefined) return [];
  const value = block[known.field];
  // The input of a tool is an object here, and its JSON in a stream.
  const isText = typeof value === 'string';
  if (!isText && known.kind !== 'arguments') throw new UnreadableText(`${known.field} that is not text`);
  const text = isText ? value : JSON.stringify(value ?? {});
  if (text === '{}') return [];
  const put = (given: string): void => {
    if (given !== text) block[known.field] = isText ? given : (JSON.parse(given) as unknown);
  };
  return [{ ...placeOf(0, known), part, text, at: { holder: block, field: known.field }, isLast: true, put }];
}
