import { withoutToolMedia } from './tool-media.js';

const text = { type: 'text', text: 'A map' };
const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } };
const call = { role: 'assistant', content: null, tool_calls: [] };
const result = (id: string, ...content: readonly object[]): object => ({ role: 'tool', tool_call_id: id, content });
const moved = (...content: readonly object[]): object => ({ role: 'user', content });
const from = (id: string): object => ({ type: 'text', text: `From the result of ${id}:` });
const user = { role: 'user', content: 'Thanks' };

describe('withoutToolMedia', () => {
  it('returns messages without media as they are', () => {
    const messages = [user, call, result('a', text), { role: 'tool', tool_call_id: 'b', content: 'Hello' }, null, moved(image)];
    expect(withoutToolMedia(messages)).toBe(messages);
  });

  it.each<[string, readonly unknown[], readonly unknown[]]>([
    ['at the end', [call, result('a', text, image)], [call, result('a', text), moved(from('a'), image)]],
    ['before the next message', [result('a', text, image), user], [result('a', text), moved(from('a'), image), user]],
    [
      'of all results of a turn',
      [result('a', image), result('b', text), result('c', text, image), call],
      [
        result('a', { type: 'text', text: '[1 of its parts follow in the next message]' }),
        result('b', text),
        result('c', text),
        moved(from('a'), image, from('c'), image),
        call,
      ],
    ],
  ])('moves media to a message behind the results: %s', (_, messages, expected) => {
    expect(withoutToolMedia(messages)).toEqual(expected);
  });
});
