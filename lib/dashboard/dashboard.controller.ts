import {
  Controller,
  Get,
  HttpException,
  Inject,
  NotFoundException,
  Post,
  Req,
  Res,
  SetMetadata,
  Sse,
  UnauthorizedException,
  VERSION_NEUTRAL,
  type MessageEvent,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type Type,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { map, type Observable } from 'rxjs';
import { SKIPPED_LIMITS, SkipPerformance } from '../common/skips.js';
import { addressKey } from '../http/guard/client-key.js';
import type { RateLimiterService } from '../rate-limit/rate-limit.service.js';
import type { AskingRequest, DashboardAccess } from './dashboard.access.js';
import { findAsset } from './dashboard.assets.js';
import type { DashboardFeed } from './dashboard.feed.js';
import { DASHBOARD_DESK } from './dashboard.options.js';
import { renderLogin, renderPage, type PageContext } from './dashboard.page.js';
import type { SpendingPageName, SpendingPages } from './spending/spending-pages.js';

/** Dependencies of the controller. */
export class DashboardDesk {
  constructor(
    readonly title: string,
    readonly access: DashboardAccess,
    readonly feed: DashboardFeed,
    /** Counts wrong tokens by address. */
    readonly attempts: RateLimiterService,
    /** Of an app with a spend log. */
    readonly spending?: SpendingPages,
  ) {}
}

interface DashboardRequest extends AskingRequest {
  readonly url: string;
  readonly ip?: string;
  readonly protocol?: string;
  readonly body?: unknown;
  readonly query?: unknown;
}

/** Only files of this server, no inline code, no frames. */
const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'same-origin',
  'X-Frame-Options': 'DENY',
};
const HTML = 'text/html; charset=utf-8';
const RECONNECT_MS = 2000;
const WRONG_TOKEN = 'Wrong token.';
const TOO_MANY_PAGES = 'Too many open pages. Close one, or wait.';
const TOO_MANY = 'Too many wrong tokens from this address. Try again in a minute.';

/** The controller that serves the dashboard under `path`, on Express and Fastify. */
export function createDashboardController(path: string): Type<object> {
  /** The page, seen from those below it. */
  const HOME = `../${path.slice(path.lastIndexOf('/') + 1)}`;

  @Controller({ path, version: VERSION_NEUTRAL })
  @SkipPerformance()
  @SetMetadata(SKIPPED_LIMITS, [])
  class DashboardController implements OnModuleDestroy, OnApplicationShutdown {
    constructor(
      @Inject(DASHBOARD_DESK) private readonly desk: DashboardDesk,
      @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    ) {}

    @Get()
    async page(@Req() request: DashboardRequest, @Res() response: unknown): Promise<void> {
      const context = this.contextOf(request);
      const refusal = this.refusalOf(request);
      if (refusal !== null) return this.send(response, refusal, HTML, renderLogin(context, refusal === 429 ? TOO_MANY : undefined));
      return this.send(response, 200, HTML, renderPage(await this.desk.feed.snapshot(), context));
    }

    /** The snapshot as JSON. */
    @Get('data')
    async data(@Req() request: DashboardRequest, @Res() response: unknown): Promise<void> {
      this.admit(request);
      return this.send(response, 200, 'application/json; charset=utf-8', JSON.stringify(await this.desk.feed.snapshot()));
    }

    @Sse('events')
    events(@Req() request: DashboardRequest): Observable<MessageEvent> {
      this.admit(request);
      const { access, feed } = this.desk;
      const session = access.sessionOf(request);
      const audience = session === undefined ? { client: addressKey(request.ip) } : { client: session.id, endMs: session.endMs };
      if (!feed.hasRoom(audience.client)) throw new HttpException(TOO_MANY_PAGES, 429);
      return feed.stream(audience).pipe(map((data): MessageEvent => ({ data, retry: RECONNECT_MS })));
    }

    @Post('login')
    login(@Req() request: DashboardRequest, @Res() response: unknown): Promise<void> {
      const { access, attempts } = this.desk;
      const context = { ...this.contextOf(request), base: '' };
      const address = addressKey(request.ip);
      if (!attempts.peek(address).allowed) return this.send(response, 429, HTML, renderLogin(context, TOO_MANY));
      const { token } = (request.body ?? {}) as { readonly token?: unknown };
      if (!access.isToken(token)) {
        attempts.check(address);
        return this.send(response, 401, HTML, renderLogin(context, WRONG_TOKEN));
      }
      return this.leaveFor(request, response, access.openSession());
    }

    @Post('logout')
    logout(@Req() request: DashboardRequest, @Res() response: unknown): Promise<void> {
      const session = this.desk.access.endSession(request);
      if (session !== undefined) this.desk.feed.leaveAll(session.id);
      return this.leaveFor(request, response, null);
    }

    @Get('spending')
    spending(@Req() request: DashboardRequest, @Res() response: unknown): Promise<void> {
      return this.sendSpending('spending', request, response);
    }

    @Get('calls')
    calls(@Req() request: DashboardRequest, @Res() response: unknown): Promise<void> {
      return this.sendSpending('calls', request, response);
    }

    @Get('call')
    call(@Req() request: DashboardRequest, @Res() response: unknown): Promise<void> {
      return this.sendSpending('call', request, response);
    }

    @Get(':asset')
    asset(@Req() request: DashboardRequest & { readonly params: { readonly asset: string } }, @Res() response: unknown): Promise<void> {
      const asset = findAsset(request.params.asset);
      if (asset === undefined) throw new NotFoundException();
      return this.send(response, 200, asset.type, asset.body, 'no-cache');
    }

    /**
     * Ends the streams in the first hook, because a graceful shutdown waits for requests in flight.
     */
    onModuleDestroy(): void {
      this.desk.feed.close();
    }

    onApplicationShutdown(): Promise<void> {
      return this.desk.attempts.close();
    }

    private async sendSpending(name: SpendingPageName, request: DashboardRequest, response: unknown): Promise<void> {
      const { spending } = this.desk;
      if (spending === undefined) throw new NotFoundException();
      const context = { ...this.contextOf(request), base: '', home: HOME };
      const refusal = this.refusalOf(request);
      if (refusal !== null) return this.send(response, refusal, HTML, renderLogin(context, refusal === 429 ? TOO_MANY : undefined));
      const { status, body } = await spending.render(name, request.query, context);
      return this.send(response, status, HTML, body);
    }

    private admit(request: DashboardRequest): void {
      const refusal = this.refusalOf(request);
      if (refusal === 429) throw new HttpException(TOO_MANY, refusal);
      if (refusal !== null) throw new UnauthorizedException();
    }

    /**
     * The status of a rejection, or `null`. Sessions are always accepted; wrong tokens are limited.
     */
    private refusalOf(request: DashboardRequest): 401 | 429 | null {
      const { access, attempts } = this.desk;
      const tries = request.headers.authorization !== undefined && !access.hasSession(request);
      const address = addressKey(request.ip);
      if (tries && access.isGuarded && !attempts.peek(address).allowed) return 429;
      if (access.admits(request)) return null;
      if (tries) attempts.check(address);
      return 401;
    }

    private contextOf({ url }: DashboardRequest): PageContext {
      const [pathname] = url.split('?', 1);
      return {
        title: this.desk.title,
        base: `${pathname.slice(pathname.lastIndexOf('/') + 1)}/`.replace(/^\/$/, ''),
        isGuarded: this.desk.access.isGuarded,
        hasSpending: this.desk.spending !== undefined,
      };
    }

    /** Redirects to the page, with a session or without. */
    private async leaveFor(request: DashboardRequest, response: unknown, session: string | null): Promise<void> {
      const { httpAdapter } = this.host;
      httpAdapter.setHeader(response, 'Set-Cookie', this.desk.access.cookie(session, request.protocol === 'https'));
      httpAdapter.setHeader(response, 'Location', HOME);
      return this.send(response, 303, 'text/plain', '');
    }

    private async send(response: unknown, status: number, type: string, body: string, caching = 'no-store'): Promise<void> {
      const { httpAdapter } = this.host;
      for (const [name, value] of Object.entries(SECURITY_HEADERS)) httpAdapter.setHeader(response, name, value);
      httpAdapter.setHeader(response, 'Content-Type', type);
      httpAdapter.setHeader(response, 'Cache-Control', caching);
      await httpAdapter.reply(response, body, status);
    }
  }
  return DashboardController;
}
