import { type Fields, fieldsOf, listOf, nonEmptyString } from '../../common/objects.js';
import { EventTranslator, eventOf } from '../events/event-translator.js';
import { ChatChunks } from '../openai/chat-chunks.js';
import type { AnswerTranslator } from '../protocol.js';
import { astrayIn, Candidate, chatCompletionOf, indexOf, logprobsOf, newAnswerId, type AnswerContext } from './answer.js';
import { hasError, openAIErrorIn } from './errors.js';
import { replaceFigures, usageOf, type UsageFigures } from './usage.js';

/** Each candidate costs memory; Google has at most 8. */
const MOST_CANDIDATES = 64;

/** Translates answers of `:generateContent` and of `:streamGenerateContent`. */
export class GeminiTranslator extends EventTranslator implements AnswerTranslator {
  private readonly chunks: ChatChunks;
  private readonly candidates = new Map<number, Candidate>();
  private readonly usage: UsageFigures = {};
  /** Those of the last event that had metadata of a search. */
  private searched: readonly unknown[] = [];
  private isNamed = false;
  private isBlocked = false;
  private hasFailed = false;

  constructor(private readonly context: AnswerContext) {
    super();
    this.chunks = new ChatChunks(newAnswerId(), context.model, context.includesUsage);
  }

  /** No event of Google's ends a stream: only an error does. */
  get isOver(): boolean {
    return this.hasFailed;
  }

  whole(answer: Buffer): Buffer {
    const text = answer.toString('utf8');
    const translated = hasError(text) ? openAIErrorIn(text) : chatCompletionOf(fieldsOf(JSON.parse(text)), this.context);
    return Buffer.from(JSON.stringify(translated));
  }

  protected event(event: Fields): string {
    if (this.hasFailed) return '';
    if (event.error !== undefined && event.error !== null) {
      this.hasFailed = true;
      return eventOf(openAIErrorIn(JSON.stringify(event)));
    }
    this.takeName(event);
    replaceFigures(this.usage, fieldsOf(event.usageMetadata));
    this.isBlocked ||= nonEmptyString(fieldsOf(event.promptFeedback).blockReason) !== undefined;
    const candidates = listOf(event.candidates);
    if (candidates.some((each) => fieldsOf(each).groundingMetadata !== undefined)) this.searched = candidates;
    return candidates.map((each, at) => this.candidateEvent(fieldsOf(each), at)).join('');
  }

  protected last(): string {
    if (this.hasFailed) return '';
    const { candidates, chunks, isBlocked } = this;
    const all = [...candidates.values()];
    const isComplete = all.length === 0 ? isBlocked : all.every(({ isFinished }) => isFinished);
    if (!isComplete) throw new Error('the stream ended without a finish reason');
    const astray = astrayIn(all);
    if (astray !== undefined) return eventOf(astray);
    const finishes = [...candidates].map(([index, { finish }]) => chunks.finish(finish, index));
    if (finishes.length === 0) finishes.push(chunks.finish('content_filter'));
    return finishes.join('') + chunks.end(usageOf(this.usage, this.searched));
  }

  private takeName({ responseId, modelVersion }: Fields): void {
    if (this.isNamed) return;
    this.isNamed = true;
    this.chunks.id = nonEmptyString(responseId) ?? this.chunks.id;
    this.chunks.model = nonEmptyString(modelVersion) ?? this.chunks.model;
  }

  private candidateEvent(event: Fields, at: number): string {
    const index = indexOf(event) ?? at;
    let candidate = this.candidates.get(index);
    if (candidate === undefined) {
      if (this.candidates.size >= MOST_CANDIDATES) throw new Error(`the answer has more than ${MOST_CANDIDATES} candidates`);
      this.candidates.set(index, (candidate = new Candidate(this.context.hasOneCall)));
    }
    const delta = candidate.read(event);
    const logprobs = logprobsOf(event.logprobsResult);
    if (delta === undefined && logprobs === undefined) return '';
    return this.chunks.delta(delta ?? {}, index, logprobs);
  }
}
