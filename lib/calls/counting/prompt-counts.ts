import type { JsonReader } from '../../http/body/json-reader.js';
import { estimateTokens, promptTokensOf } from '../../http/token-estimate/token-estimate.js';
import type { TokenCounterService } from '../../token-counter/token-counter.service.js';
import type { AskedRequest } from '../asked-call.js';

/** Counts the prompts of calls, for the router, for limits and for budgets. */
export class PromptCounts {
  constructor(
    private readonly counter: TokenCounterService,
    private readonly json: JsonReader,
  ) {}

  /**
   * Counts the prompt of a request, unless the program has stated it or the request's guard has
   * counted the same body. A large body is written to bytes before; a form has its own.
   */
  of(asked: AskedRequest): number | Promise<number> {
    if (!asked.isLarge || asked.json !== undefined || asked.forwarded?.form !== undefined) return this.count(asked);
    return this.json.write(asked.body).then((json) => {
      asked.json = json;
      return this.count(asked);
    });
  }

  private count({ options, body, json, isLarge, facts, context }: AskedRequest): number | Promise<number> {
    const { routing } = options;
    if (typeof routing?.inputTokens === 'number') return routing.inputTokens;
    if (context !== undefined) context.facts = undefined;
    return facts.promptTokens ?? promptTokensOf(body, { counter: this.counter, json, isLarge });
  }

  /** Estimates prompt and reply, as the guard did for the request that was not changed. */
  async estimate({ body, json, isLarge }: AskedRequest, tokensPerMinute: number): Promise<number> {
    return estimateTokens(body, { counter: this.counter, tokensPerMinute, json, isLarge });
  }
}
