import { TEXT_PLACES } from '../../answer/text-places.js';
import { withoutTexts } from './other-texts.js';
import { indexIn, ownList, type EventTexts, type OwnFields, type StreamTexts, type TextFormat, type TextSlot } from './text-format.js';

const { field: FIELD } = TEXT_PLACES.completions;

/** OpenAI's completions: each choice is one text. */
export const COMPLETION_TEXTS: TextFormat = {
  whole: (answer) => ownList(answer.choices).map((choice) => slotOf(choice, true)),
  stream: () => new CompletionTexts(),
};

class CompletionTexts implements StreamTexts {
  private readonly open = new Set<number>();
  private event: OwnFields = {};

  read(event: OwnFields): EventTexts {
    const { choices, usage } = event;
    this.event = event;
    const list = ownList(choices);
    let isOnlyText = list.length > 0 && (usage ?? undefined) === undefined;
    const slots = list.map((choice) => {
      const isFinished = typeof choice.finish_reason === 'string';
      if (isFinished) this.open.delete(indexIn(choice.index));
      else this.open.add(indexIn(choice.index));
      isOnlyText &&= !isFinished;
      return slotOf(choice, isFinished);
    });
    return { slots, isOnlyText, isChanged: false, before: [] };
  }

  rest(): readonly { readonly event: OwnFields; readonly slot: TextSlot }[] {
    return [...this.open].map((index) => {
      const choice = { index, [FIELD]: '', logprobs: null, finish_reason: null };
      return { event: { ...withoutTexts(this.event), choices: [choice] }, slot: slotOf(choice, true) };
    });
  }
}

function slotOf(choice: OwnFields, isLast: boolean): TextSlot {
  const index = indexIn(choice.index);
  const value = choice[FIELD];
  const text = typeof value === 'string' ? value : '';
  const put = (given: string): void => {
    if (given !== text) choice[FIELD] = given;
  };
  return { part: String(index), kind: 'content', choice: index, text, at: { holder: choice, field: FIELD }, isLast, put };
}
