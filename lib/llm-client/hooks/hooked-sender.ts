import { InvalidArgumentError } from '../../common/errors.js';
import { LlmAnswer } from '../answer/llm-answer.js';
import type { BridgedAnswer } from '../bridges/bridge.js';
import type { Attempt } from '../call/attempt.js';
import type { Call } from '../call/call.js';
import type { Operation } from '../providers/protocol.js';
import type { ProviderExchange } from '../providers/provider-exchange.js';
import { ProviderSender, type ProviderAccess } from '../providers/provider-sender.js';
import type { ReadRequest } from '../request.js';
import type { LlmStream } from '../stream/llm-stream.js';
import { AnswerView } from './answer-view.js';
import { answerOfHook } from './hook-answer.js';
import type { RunningCall } from './running-call.js';
import { readAnswerVerdict, readRequestVerdict } from './verdicts.js';

type Fields = Readonly<Record<string, unknown>>;

/** Reads requests for a client. */
export interface RequestReader {
  /** Reads a body that hooks have changed. @throws InvalidArgumentError naming a wrong field */
  read(body: Fields): Promise<ReadRequest>;
  /** Counts the prompt; a large body is written to bytes before. */
  count(request: ReadRequest): number | Promise<number>;
}

/** Sends by the provider's protocol what the call's hooks allow, and answers what they allow. */
export class HookedSender extends ProviderSender {
  readonly prepare = (call: Call): Promise<LlmAnswer | LlmStream | undefined> => this.prepared(call);

  constructor(
    access: ProviderAccess,
    operation: Operation,
    request: ReadRequest,
    private readonly hooks: RunningCall,
    private readonly reader: RequestReader,
  ) {
    super(access, operation, request);
  }

  private async prepared(call: Call): Promise<LlmAnswer | LlmStream | undefined> {
    const { hooks, operation } = this;
    if (this.request.stream) hooks.refuseUnreadable('onAnswer', 'a stream has no whole answer');
    for (const hook of hooks.with('onRequest')) {
      const verdict = await hook.guard({
        method: 'onRequest',
        run: (each) => each.onRequest?.(hooks.view),
        read: readRequestVerdict,
        unguarded: undefined,
      });
      if (verdict !== undefined && 'answer' in verdict) {
        try {
          const answer = answerOfHook(verdict.answer, operation, this.request);
          hooks.answered();
          return answer;
        } catch (error) {
          hook.unguarded('onRequest', error, undefined);
        }
      } else {
        try {
          await this.take(verdict?.replace ?? hooks.body);
        } catch (error) {
          hook.unguarded('onRequest', error, undefined);
        }
      }
    }
    const { request } = this;
    const promptTokens = await this.reader.count(request);
    const { model, stream, maxTokens, choices, options } = request;
    const { startedAtMs } = call.description;
    call.revise({ operation, model, stream, maxTokens, choices, promptTokens, startedAtMs }, options);
    return undefined;
  }

  /** Also a body that a hook has changed in place. @throws InvalidArgumentError for a wrong one */
  private async take(body: Fields): Promise<void> {
    const { hooks } = this;
    const { stream, forwarded } = this.request;
    if (body !== hooks.body && forwarded?.form !== undefined)
      throw new InvalidArgumentError('onRequest().replace', body, 'cannot take the place of a form');
    const read = await this.reader.read(body);
    if (read.stream !== stream)
      throw new InvalidArgumentError('onRequest().replace.stream', read.stream, `must be ${stream}, as the client asks`);
    this.request = read;
    hooks.body = body;
  }

  protected override async answerOf(attempt: Attempt, exchange: ProviderExchange, bridged: BridgedAnswer | undefined): Promise<LlmAnswer> {
    let answer = await super.answerOf(attempt, exchange, bridged);
    for (const hook of this.hooks.with('onAnswer')) {
      const view = new AnswerView(answer.bytes, answer.usage, answer.call);
      const verdict = await hook.guard({
        method: 'onAnswer',
        run: (each) => each.onAnswer?.(this.hooks.view, view),
        read: readAnswerVerdict,
        unguarded: undefined,
      });
      if (verdict !== undefined) answer = new LlmAnswer(Buffer.from(JSON.stringify(verdict.replace)), answer.usage, answer.call);
    }
    return answer;
  }
}

/** Refuses what only the caller's own function sends, if a guard would have to read it. */
export async function refuseUnread(hooks: RunningCall): Promise<undefined> {
  const reason = 'a call by execute or stream of LlmClient has no body that it can read';
  await Promise.resolve();
  for (const method of ['onRequest', 'onAnswer'] as const) hooks.refuseUnreadable(method, reason);
  return undefined;
}
