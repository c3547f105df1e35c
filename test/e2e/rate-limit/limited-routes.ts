import {
  Body,
  Controller,
  Get,
  HttpCode,
  HttpException,
  Post,
  Req,
  Res,
  UseGuards,
  type CanActivate,
  type INestApplication,
  type Type,
} from '@nestjs/common';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import {
  FastLiteLLMModule,
  RateLimit,
  RateLimitGuard,
  RateLimiterService,
  reportUsage,
  SkipRateLimit,
  type FastLiteLLMOptions,
} from 'nestjs-fast-litellm';
import type { Server, ServerResponse } from 'node:http';
import request from 'supertest';

const say = (): void => {};
export const logger = { log: say, warn: say, error: say };
export const chat = { model: 'gpt-4', messages: [{ role: 'user', content: 'hello world' }] };
/** Tokens of `chat`: 3 around the message, 1 for its role, 2 of text, 3 to prime the reply. */
export const PROMPT = 9;

/** Ends the requests of `/slow` that are in flight. */
export const waiting: (() => void)[] = [];
const isOver = new Map<string, () => void>();
/** Resolves when the streaming route has seen its client disconnect. */
export const gone = (name: string): Promise<void> => new Promise((resolve) => isOver.set(name, resolve));

interface Answer {
  readonly ok: boolean;
}

class Denying implements CanActivate {
  canActivate(): never {
    throw new HttpException('not you', 403);
  }
}

@Controller()
@UseGuards(RateLimitGuard)
export class RoutesController {
  @Get('plain')
  plain(): Answer {
    return { ok: true };
  }

  @Get('other')
  other(): Answer {
    return { ok: true };
  }

  @Get('skipped')
  @SkipRateLimit()
  skipped(): Answer {
    return { ok: true };
  }

  @Get('own')
  @RateLimit({ requestsPerMinute: 1 })
  own(): Answer {
    return { ok: true };
  }

  @Get('own-too')
  @RateLimit({ requestsPerMinute: 1 })
  ownToo(): Answer {
    return { ok: true };
  }

  @Get('two')
  @RateLimit({ name: 'short', requestsPerSecond: 100, burst: 2 })
  @RateLimit({ name: 'long', requestsPerMinute: 3, requestsPerDay: 5 })
  two(): Answer {
    return { ok: true };
  }

  @Get('costly')
  @RateLimit({ name: 'costly', requestsPerMinute: 10, cost: async (req: { query: { cost: string } }) => Number(req.query.cost) })
  costly(): Answer {
    return { ok: true };
  }

  @Get('user')
  @RateLimit({
    name: 'user',
    requestsPerMinute: 1,
    key: (req: { headers: Record<string, string> }) => Promise.resolve(req.headers['x-user']),
  })
  user(): Answer {
    return { ok: true };
  }

  @Post('chat')
  @HttpCode(200)
  @RateLimit({ name: 'chat' })
  chat(@Body() body: { fail?: number; silent?: boolean }): object {
    if (body.fail) throw new HttpException('failed', body.fail);
    return body.silent ? { ok: true } : { usage: { prompt_tokens: PROMPT, completion_tokens: 11, total_tokens: PROMPT + 11 } };
  }

  @Post('denied')
  @RateLimit({ name: 'chat' })
  @UseGuards(Denying)
  denied(): Answer {
    return { ok: true };
  }

  @Post('stream')
  @RateLimit({ name: 'chat' })
  stream(
    @Req() req: object,
    @Res() res: ServerResponse & { raw?: ServerResponse; hijack?: () => void },
    @Body() body: { cut?: string },
  ): void {
    res.hijack?.();
    const raw = res.raw ?? res;
    raw.writeHead(200, { 'content-type': 'text/event-stream' });
    raw.write('data: {"n":1}\n\n');
    if (body.cut === undefined) {
      reportUsage(req, { input_tokens: PROMPT, output_tokens: 3 });
      reportUsage(req, { input_tokens: PROMPT, output_tokens: 21 });
      raw.end('data: [DONE]\n\n');
      return;
    }
    const name = body.cut;
    if (name === 'before') reportUsage(req, PROMPT + 5);
    raw.on('close', () => {
      setImmediate(() => {
        if (name === 'after') reportUsage(req, PROMPT + 7);
        isOver.get(name)?.();
      });
    });
  }

  @Get('slow')
  @RateLimit({ name: 'slow', maxConcurrent: 1 })
  async slow(): Promise<Answer> {
    await new Promise<void>((resolve) => waiting.push(resolve));
    return { ok: true };
  }
}

export const adapters = ['Express', 'Fastify'] as const;

/** Starts an app of this module. */
export async function startModule(
  adapter: (typeof adapters)[number],
  module: Type<unknown>,
): Promise<{ app: INestApplication; client: ReturnType<typeof request> }> {
  const testing = await Test.createTestingModule({ imports: [module] }).compile();
  const app = testing.createNestApplication(adapter === 'Express' ? new ExpressAdapter() : (new FastifyAdapter() as never), {
    logger: false,
  });
  await app.init();
  if (adapter === 'Fastify') await (app as unknown as NestFastifyApplication).getHttpAdapter().getInstance().ready();
  return { app, client: request(app.getHttpServer() as Server) };
}

/** Starts an app with the routes above. */
export async function startLimited(
  adapter: (typeof adapters)[number],
  rateLimit: FastLiteLLMOptions['rateLimit'],
  { trustProxy = false, guard = RateLimitGuard }: { trustProxy?: boolean; guard?: Type<RateLimitGuard> } = {},
): Promise<{ app: INestApplication; client: ReturnType<typeof request>; limiter: RateLimiterService }> {
  const testing = await Test.createTestingModule({
    imports: [FastLiteLLMModule.forRoot({ logger, metrics: false, rateLimit })],
    controllers: [RoutesController],
  })
    .overrideGuard(RateLimitGuard)
    .useClass(guard)
    .compile();
  const app = testing.createNestApplication(adapter === 'Express' ? new ExpressAdapter() : (new FastifyAdapter({ trustProxy }) as never), {
    logger: false,
  });
  if (adapter === 'Express') (app as NestExpressApplication).set('trust proxy', trustProxy);
  await app.listen(0, '127.0.0.1');
  return { app, client: request(app.getHttpServer() as Server), limiter: app.get(RateLimiterService) };
}
