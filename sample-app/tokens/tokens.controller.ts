import { Body, Controller, HttpCode, Post, Res, UseGuards, UseInterceptors } from '@nestjs/common';
import {
  InvalidArgumentError,
  PerformanceInterceptor,
  RateLimit,
  RateLimitGuard,
  TokenCounterService,
  type EngineName,
} from 'nestjs-fast-litellm';
import { KeyGuard } from '../access/key.guard.js';
import { TIER_RULES } from '../tiers/tiers.js';
import { tokenPieces, type TokenPiece } from './token-pieces.js';

interface CountAnswer {
  readonly model: string;
  /** The encoding, or the name of the tokenizer. */
  readonly encoding: string;
  readonly prompt_tokens: number;
  /**
   * Whether the count is an estimate: the tokenizer is not public, or an image or document was
   * estimated.
   */
  readonly approximate: boolean;
  /** The engine that counted. */
  readonly engine: EngineName;
  /** Cost of the prompt in USD; `null` if the price is unknown. */
  readonly estimated_input_cost_usd: number | null;
  /** In tokens; `null` if unknown. */
  readonly context_window: number | null;
  /** The first `MAX_PIECES` tokens, with `include: ["tokens"]`. */
  readonly tokens?: readonly TokenPiece[];
}

const MAX_PIECES = 2000;

@Controller('v1/tokens')
@UseGuards(KeyGuard, RateLimitGuard)
@UseInterceptors(PerformanceInterceptor)
@RateLimit(...TIER_RULES)
export class TokensController {
  constructor(private readonly counter: TokenCounterService) {}

  /**
   * Counts the prompt of an OpenAI-style request body: `model` with `messages` (`tools`,
   * `tool_choice`), `input` or `prompt`. `include: ["tokens"]` adds the tokens of a single text.
   * `Server-Timing` has the counting time.
   */
  @Post('count')
  @HttpCode(200)
  async count(
    @Body() body: unknown,
    @Res({ passthrough: true }) reply: { header(name: string, value: string): unknown },
  ): Promise<CountAnswer> {
    const request = checkBody(body);
    const model = checkModel(request.model);
    const text = textToCut(request);
    const startedMs = performance.now();
    const { promptTokens, approximate, encoding } = await this.counter.countRequestAsync(request);
    reply.header('Server-Timing', `count;dur=${(performance.now() - startedMs).toFixed(3)}`);
    return {
      model,
      encoding,
      prompt_tokens: promptTokens,
      approximate,
      engine: this.counter.health().engine,
      estimated_input_cost_usd: this.counter.estimateCost(promptTokens, 0, model),
      context_window: this.counter.getModelLimits(model).contextWindow,
      ...(text !== undefined && { tokens: this.cut(text, model) }),
    };
  }

  private cut(text: string, model: string | undefined): TokenPiece[] {
    // Only the shown part of a long text is encoded.
    const start = this.counter.truncate(text, MAX_PIECES, { model });
    const ids = this.counter.encode(start, { model });
    // Lone surrogates count as U+FFFD and are shown as such.
    const wellFormed = Buffer.from(start).toString();
    return tokenPieces(wellFormed, ids, (some) => this.counter.decode(some, { model }));
  }
}

function checkBody(body: unknown): Readonly<Record<string, unknown>> {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Readonly<Record<string, unknown>>;
  throw new InvalidArgumentError('body', body, 'must be a JSON object');
}

function checkModel(model: unknown): string {
  if (typeof model === 'string' && model !== '') return model;
  throw new InvalidArgumentError('model', model, 'must be a non-empty string');
}

/** The single text whose tokens are requested, if any. */
function textToCut({ include, messages, input, prompt }: Readonly<Record<string, unknown>>): string | undefined {
  if (include === undefined || include === null) return undefined;
  if (!Array.isArray(include)) throw new InvalidArgumentError('include', include, 'must be an array');
  const unknown = include.findIndex((entry) => entry !== 'tokens');
  if (unknown >= 0) throw new InvalidArgumentError(`include[${unknown}]`, include[unknown], 'must be "tokens"');
  if (include.length === 0) return undefined;
  const text = messages === undefined ? (input ?? prompt) : messages;
  if (typeof text === 'string' && messages === undefined) return text;
  throw new InvalidArgumentError('include', include, 'can be given only where input or prompt is one text');
}
