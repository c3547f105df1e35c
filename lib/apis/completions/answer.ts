import { randomBytes } from 'node:crypto';
import { type Fields, fieldsOf, listOf, numberIn, stringIn } from '../../common/objects.js';
import { textOf } from '../chat-answers.js';

/** A completion has no other reasons. */
const FINISHES = new Set(['length', 'content_filter']);

/**
 * Writes the choices of one text completion; the offsets of a stream continue from chunk to chunk.
 */
export class TextCompletion {
  private readonly id = `cmpl-${randomBytes(12).toString('hex')}`;
  private readonly created = Math.floor(Date.now() / 1000);
  private readonly offsets = new Map<unknown, number>();

  constructor(private readonly model: unknown) {}

  /** @param chat a chat completion, or a chunk of one */
  of(chat: Fields): object {
    const { id, created } = this;
    const choices = listOf(chat.choices).map((choice) => this.choiceOf(fieldsOf(choice)));
    const { usage } = chat;
    return {
      id,
      object: 'text_completion',
      created,
      model: stringIn(chat.model) || this.model,
      choices,
      ...(typeof usage === 'object' && usage !== null && { usage }),
    };
  }

  private choiceOf({ index = 0, message, delta, finish_reason: finish, logprobs }: Fields): object {
    const { content } = fieldsOf(message ?? delta);
    const reason = typeof finish === 'string' ? (FINISHES.has(finish) ? finish : 'stop') : null;
    return { index, text: textOf(content), logprobs: this.logprobsOf(index, fieldsOf(logprobs).content), finish_reason: reason };
  }

  private logprobsOf(index: unknown, content: unknown): object | null {
    if (!Array.isArray(content)) return null;
    const tokens = content.map((each) => fieldsOf(each));
    const offsets: number[] = [];
    for (const { token } of tokens) {
      const at = this.offsets.get(index) ?? 0;
      offsets.push(at);
      this.offsets.set(index, at + stringIn(token).length);
    }
    return {
      tokens: tokens.map(({ token }) => stringIn(token)),
      token_logprobs: tokens.map(({ logprob }) => numberIn(logprob)),
      top_logprobs: tokens.map(({ top_logprobs: top }) =>
        Object.fromEntries(
          listOf(top)
            .map((each) => fieldsOf(each))
            .map(({ token, logprob }) => [stringIn(token), numberIn(logprob)]),
        ),
      ),
      text_offset: offsets,
    };
  }
}
