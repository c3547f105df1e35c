import { Body, Controller, Headers, HttpCode, Post, Res, UnsupportedMediaTypeException, UseGuards, UseInterceptors } from '@nestjs/common';
import { InvalidArgumentError, PerformanceInterceptor, RateLimit, RateLimitGuard, TokenCounterService } from 'nestjs-fast-litellm';
import { tokenPieces, type TokenPiece } from './token-pieces.js';

type Fields = Readonly<Record<string, unknown>>;

const MAX_PIECES = 2000;

/** A route of the app itself. It limits requests only, because it calls no model. */
@Controller('v1/tokens')
@UseGuards(RateLimitGuard)
@UseInterceptors(PerformanceInterceptor)
@RateLimit({ requestsPerSecond: 20, burst: 100 })
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
    @Headers() headers: Fields,
    @Body() body: Fields | null,
    @Res({ passthrough: true }) reply: { header(name: string, value: string): unknown },
  ): Promise<object> {
    if (!/^application\/json\b/i.test(String(headers['content-type'])) || (headers['content-encoding'] ?? 'identity') !== 'identity')
      throw new UnsupportedMediaTypeException('The body must be sent as application/json, without compression.');
    if (typeof body !== 'object' || body === null || Array.isArray(body))
      throw new InvalidArgumentError('body', body, 'must be a JSON object');
    const { model } = body;
    if (typeof model !== 'string' || model === '') throw new InvalidArgumentError('model', model, 'must be a non-empty string');
    const text = textToSplit(body);
    const startedMs = performance.now();
    const { promptTokens, approximate, encoding } = await this.counter.countRequestAsync(body);
    reply.header('Server-Timing', `count;dur=${(performance.now() - startedMs).toFixed(3)}`);
    return {
      model,
      encoding,
      prompt_tokens: promptTokens,
      approximate,
      engine: this.counter.health().engine,
      estimated_input_cost_usd: this.counter.estimateCost(promptTokens, 0, model),
      context_window: this.counter.getModelLimits(model).contextWindow,
      ...(text !== undefined && { tokens: this.split(text, model) }),
    };
  }

  private split(text: string, model: string): TokenPiece[] {
    // Only the shown part of a long text is encoded.
    const start = this.counter.truncate(text, MAX_PIECES, { model });
    const ids = this.counter.encode(start, { model });
    // Lone surrogates count as U+FFFD and are shown as such.
    return tokenPieces(Buffer.from(start).toString(), ids, (some) => this.counter.decode(some, { model }));
  }
}

/** The single text whose tokens are requested, if any. */
function textToSplit({ include, messages, input, prompt }: Fields): string | undefined {
  if (include === undefined) return undefined;
  if (JSON.stringify(include) !== '["tokens"]') throw new InvalidArgumentError('include', include, 'must be ["tokens"]');
  const text = input ?? prompt;
  if (typeof text === 'string' && messages === undefined) return text;
  throw new InvalidArgumentError('include', include, 'can be used only if input or prompt is a single text');
}
