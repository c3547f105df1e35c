import { COMPLETION_TEXTS } from './completion-texts.js';

const slotsIn = (slots: readonly { part: string; choice?: number; text: string; isLast: boolean }[]) =>
  slots.map(({ part, choice, text, isLast }) => [part, choice, text, isLast]);

describe('the texts of completions', () => {
  it('are one for each choice of an answer, which a hook can replace', () => {
    const answer = { choices: [{ index: 0, text: 'a' }, { index: 1, text: null }, { text: 'c' }] };
    const slots = COMPLETION_TEXTS.whole(answer);
    expect(slotsIn(slots)).toEqual([
      ['0', 0, 'a', true],
      ['1', 1, '', true],
      ['0', 0, 'c', true],
    ]);
    for (const slot of slots) slot.put(slot.text);
    expect(answer.choices[1].text).toBeNull();
    slots[0].put('b');
    expect(answer.choices[0].text).toBe('b');
    expect(COMPLETION_TEXTS.whole({})).toEqual([]);
  });

  it.each<[string, object, readonly unknown[], boolean]>([
    ['a text', { choices: [{ index: 1, text: 'a', finish_reason: null }] }, [['1', 1, 'a', false]], true],
    ['the end of a text', { choices: [{ index: 1, text: '', finish_reason: 'stop' }] }, [['1', 1, '', true]], false],
    ['a text and a usage', { choices: [{ index: 0, text: 'a' }], usage: {} }, [['0', 0, 'a', false]], false],
    ['a text and no usage', { choices: [{ index: 0, text: 'a' }], usage: null }, [['0', 0, 'a', false]], true],
    ['a usage', { choices: [], usage: {} }, [], false],
    ['nothing', { choices: [] }, [], false],
  ])('are read from events: %s', (_, event, slots, isOnlyText) => {
    const read = COMPLETION_TEXTS.stream(1e6).read(event as never);
    expect([slotsIn(read.slots), read.isOnlyText, read.isChanged, read.before]).toEqual([slots, isOnlyText, false, []]);
  });

  it('that a stream has left open end in events of their own', () => {
    const stream = COMPLETION_TEXTS.stream(1e6);
    const read = (index: number, reason: string | null) =>
      stream.read({ id: 'c', choices: [{ index, text: 'a', finish_reason: reason }], usage: null });
    expect(stream.rest()).toEqual([]);
    for (const index of [0, 1, 2]) read(index, null);
    read(1, 'stop');
    const rest = stream.rest();
    const choiceOf = (index: number) => ({ index, text: '', logprobs: null, finish_reason: null });
    expect(rest.map(({ event }) => event)).toEqual([0, 2].map((index) => ({ id: 'c', usage: null, choices: [choiceOf(index)] })));
    expect(slotsIn(rest.map(({ slot }) => slot))).toEqual([
      ['0', 0, '', true],
      ['2', 2, '', true],
    ]);
    rest[0].slot.put('left');
    expect(rest[0].event.choices).toEqual([{ ...choiceOf(0), text: 'left' }]);
  });
});
