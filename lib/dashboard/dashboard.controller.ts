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
import { DatabaseError, errorMessage, InvalidArgumentError, InvalidConfigurationError } from '../common/errors.js';
import { fieldsOf } from '../common/objects.js';
import { SKIPPED_LIMITS, SkipPerformance } from '../common/skip-decorators.js';
import { VERSION } from '../common/version.js';
import { StoredConfigurationError } from '../configuration/stored/stored-errors.js';
import { addressKey } from '../http/guard/client-key.js';
import {
  isFormToken,
  isSameOrigin,
  nameOfOpened,
  noticeCookie,
  noticeOf,
  sessionName,
  shownNoticeCookie,
  type AskingRequest,
} from './dashboard.access.js';
import { findAsset } from './dashboard.assets.js';
import type { DashboardServices } from './dashboard.services.js';
import { DASHBOARD_SERVICES } from './dashboard.options.js';
import { FORM_TOKEN, formOf, LAYOUT_PANELS, readOnlyReason, renderLayout, renderLogin } from './page-layout.js';
import { failurePage } from './pages/error.page.js';
import type { DashboardPage, FormAnswer, PageAnswer, PageRequest } from './pages/page.js';
import { html } from './html.js';
import { findPage, navigationOf } from './pages/pages.js';

interface DashboardRequest extends AskingRequest {
  readonly url: string;
  readonly ip?: string;
  readonly protocol?: string;
  readonly body?: unknown;
  readonly query?: unknown;
  readonly params?: { readonly name?: string };
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
/** Default 409. */
const STORE_STATUSES: Readonly<Partial<Record<string, number>>> = {
  CONFIGURATION_NOT_FOUND: 404,
  CONFIGURATION_STORE_UNAVAILABLE: 503,
};
const HTML = 'text/html; charset=utf-8';
const RECONNECT_MS = 2000;
const WRONG_TOKEN = 'Wrong token.';
const TOO_MANY_PAGES = 'Too many open pages. Close one, or wait.';
const TOO_MANY = 'Too many wrong tokens from this address. Try again in a minute.';
const SESSION_ENDED = 'Your session has ended, and nothing was changed. Log in and try again.';
const FOREIGN_FORM = 'Nothing was changed: the form belongs to another session or site. Reload the page and try again.';
const UNAVAILABLE = 'The database is unavailable at the moment.';

/** The controller that serves the dashboard under `path`, on Express and Fastify. */
export function createDashboardController(path: string): Type<object> {
  const name = path.slice(path.lastIndexOf('/') + 1);
  /** The first page, seen from those below it. */
  const home = `../${name}`;

  @Controller({ path, version: VERSION_NEUTRAL })
  @SkipPerformance()
  @SetMetadata(SKIPPED_LIMITS, [])
  class DashboardController implements OnModuleDestroy, OnApplicationShutdown {
    constructor(
      @Inject(DASHBOARD_SERVICES) private readonly services: DashboardServices,
      @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    ) {}

    @Get()
    first(@Req() request: DashboardRequest, @Res() response: unknown): Promise<void> {
      // Relative links would be wrong.
      if (request.url.split('?', 1)[0].endsWith('/')) return this.redirect(response, home);
      return this.show('', request, response);
    }

    /** The snapshot as JSON. */
    @Get('data')
    async data(@Req() request: DashboardRequest, @Res() response: unknown): Promise<void> {
      this.admit(request);
      return this.send(response, 200, 'application/json; charset=utf-8', JSON.stringify(await this.services.feed.snapshot()));
    }

    /** Changes of the page in the parameter `page`. */
    @Sse('events')
    events(@Req() request: DashboardRequest): Observable<MessageEvent> {
      this.admit(request);
      const { access, feed } = this.services;
      const page = findPage(formFields(request.query).get('page') ?? '', this.services);
      if (page === undefined) throw new NotFoundException();
      const session = access.sessionOf(request);
      const audience = session === undefined ? { client: addressKey(request.ip) } : { client: session.id, endMs: session.endMs };
      if (!feed.hasRoom(audience.client)) throw new HttpException(TOO_MANY_PAGES, 429);
      const view = { page: page.path, panels: { ...LAYOUT_PANELS, ...page.panels }, base: baseOf(page) };
      return feed.stream(view, audience).pipe(map((data): MessageEvent => ({ data, retry: RECONNECT_MS })));
    }

    @Post('login')
    login(@Req() request: DashboardRequest, @Res() response: unknown): Promise<void> {
      const { access, attempts } = this.services;
      if (!isSameOrigin(request)) return this.refuseLogin(response, 403, FOREIGN_FORM);
      const address = addressKey(request.ip);
      if (!attempts.peek(address).allowed) return this.refuseLogin(response, 429, TOO_MANY);
      const credential = access.credentialOf(fieldsOf(request.body).token);
      if (credential === undefined) {
        attempts.check(address);
        return this.refuseLogin(response, 401, WRONG_TOKEN);
      }
      this.services.viewed();
      const session = access.openSession(credential);
      const right = credential.canWrite ? 'may change everything' : 'only reads';
      this.services.log.log(`Dashboard: session ${nameOfOpened(session)} opened (${request.ip ?? 'unknown address'}); it ${right}`);
      return this.redirect(response, home, access.cookie(session, isSecure(request)));
    }

    @Post('logout')
    logout(@Req() request: DashboardRequest, @Res() response: unknown): Promise<void> {
      const { access, feed } = this.services;
      if (!isSameOrigin(request)) return this.refuseLogin(response, 403, FOREIGN_FORM);
      const session = access.endSession(request);
      if (session !== undefined) feed.leaveAll(session.id);
      return this.redirect(response, home, access.cookie(null, isSecure(request)));
    }

    @Get(':name')
    pageOrAsset(@Req() request: DashboardRequest, @Res() response: unknown): Promise<void> {
      const asset = findAsset(request.params?.name ?? '');
      if (asset === undefined) return this.show(request.params?.name ?? '', request, response);
      return this.send(response, 200, asset.type, asset.body, { 'Cache-Control': 'no-cache' });
    }

    @Post(':name')
    async submit(@Req() request: DashboardRequest, @Res() response: unknown): Promise<void> {
      const { access } = this.services;
      const page = findPage(request.params?.name ?? '', this.services);
      if (page?.submit === undefined) throw new NotFoundException();
      const session = access.sessionOf(request);
      if (session === undefined && access.isGuarded) return this.refuseLogin(response, 401, SESSION_ENDED);
      const fields = formFields(request.body);
      if (session?.credential.canWrite !== true || !isSameOrigin(request) || !isFormToken(session, fields.get(FORM_TOKEN))) {
        const reason = session?.credential.canWrite === true ? FOREIGN_FORM : readOnlyReason(this.services, session);
        return this.answer(page, failurePage(403, 'Not changed', reason), request, response);
      }
      fields.delete(FORM_TOKEN);
      const address = request.ip === undefined ? undefined : { address: request.ip };
      const form = { ...this.pageRequest(page, request), fields, actor: { actor: sessionName(session), ...address } };
      const answer = await guarded<FormAnswer>(() => page.submit!(form));
      this.services.feed.expire();
      if (!('redirect' in answer)) return this.answer(page, answer, request, response);
      const target = answer.redirect === '' ? home : answer.redirect;
      return this.redirect(response, target, noticeCookie(session, answer.notice, isSecure(request)));
    }

    /**
     * Ends the streams in the first hook, because a graceful shutdown waits for requests in flight.
     */
    onModuleDestroy(): void {
      this.services.feed.close();
    }

    onApplicationShutdown(): Promise<void> {
      this.services.close();
      return this.services.attempts.close();
    }

    /** Answers with a page, the log-in form, or 404. */
    private async show(path: string, request: DashboardRequest, response: unknown): Promise<void> {
      const page = findPage(path, this.services);
      if (page === undefined) throw new NotFoundException();
      const refusal = this.refusalOf(request);
      if (refusal !== null) return this.refuseLogin(response, refusal, refusal === 429 ? TOO_MANY : undefined, baseOf(page));
      return this.answer(page, await guarded(() => page.render(this.pageRequest(page, request))), request, response);
    }

    private async answer(page: DashboardPage, answer: PageAnswer, request: DashboardRequest, response: unknown): Promise<void> {
      const { services } = this;
      const session = services.access.sessionOf(request);
      const notice = session && noticeOf(request, session);
      const base = baseOf(page);
      const text = renderLayout(page, answer, {
        services,
        session,
        notice,
        base,
        pages: navigationOf(services),
        home: base === '' ? home : name,
        version: VERSION,
        status: LAYOUT_PANELS.status.render(await services.feed.snapshot(), base) ?? html``,
      });
      const shown = notice === undefined ? undefined : { 'Set-Cookie': shownNoticeCookie(isSecure(request)) };
      return this.send(response, answer.status ?? 200, HTML, text, shown);
    }

    private pageRequest(page: DashboardPage, request: DashboardRequest): PageRequest {
      const { services } = this;
      const session = services.access.sessionOf(request);
      const base = baseOf(page);
      const canWrite = session?.credential.canWrite === true;
      return {
        services,
        base,
        canWrite,
        query: formFields(request.query),
        form: (path, body) => canWrite && formOf(base, session, path, body),
      };
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
      const { access, attempts } = this.services;
      const tries = request.headers.authorization !== undefined && access.sessionOf(request) === undefined;
      const address = addressKey(request.ip);
      if (tries && access.isGuarded && !attempts.peek(address).allowed) return 429;
      if (access.admits(request)) {
        this.services.viewed();
        return null;
      }
      if (tries) attempts.check(address);
      return 401;
    }

    private refuseLogin(response: unknown, status: number, failure?: string, base = ''): Promise<void> {
      return this.send(response, status, HTML, renderLogin(this.services.title, base, failure));
    }

    private redirect(response: unknown, location: string, cookie?: string): Promise<void> {
      const headers = { Location: location, ...(cookie !== undefined && { 'Set-Cookie': cookie }) };
      return this.send(response, 303, 'text/plain', '', headers);
    }

    private async send(
      response: unknown,
      status: number,
      type: string,
      body: string,
      headers?: Readonly<Record<string, string>>,
    ): Promise<void> {
      const { httpAdapter } = this.host;
      const all = { ...SECURITY_HEADERS, 'Content-Type': type, 'Cache-Control': 'no-store', ...headers };
      for (const [header, value] of Object.entries(all)) httpAdapter.setHeader(response, header, value);
      await httpAdapter.reply(response, body, status);
    }
  }

  /** Prefix of links: the first page is above the others. */
  function baseOf(page: DashboardPage): string {
    return page.path === '' ? `${name}/` : '';
  }

  return DashboardController;
}

/** Errors that an operator can act on become a page; others are the app's. */
async function guarded<T extends FormAnswer>(work: () => T | Promise<T>): Promise<T | PageAnswer> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof InvalidArgumentError || error instanceof InvalidConfigurationError)
      return failurePage(400, 'Invalid input', errorMessage(error));
    if (error instanceof StoredConfigurationError)
      return failurePage(STORE_STATUSES[error.code] ?? 409, 'Not possible', errorMessage(error));
    if (error instanceof DatabaseError) return failurePage(503, 'Unavailable', UNAVAILABLE);
    if (error instanceof HttpException) return failurePage(error.getStatus(), 'Not possible', error.message);
    throw error;
  }
}

/** Fields of a form or an address, as the app's server has parsed them. */
function formFields(parsed: unknown): URLSearchParams {
  const fields = new URLSearchParams();
  for (const [field, value] of Object.entries(fieldsOf(parsed)))
    for (const each of Array.isArray(value) ? (value as readonly unknown[]) : [value])
      if (typeof each === 'string') fields.append(field, each);
  return fields;
}

function isSecure({ protocol }: DashboardRequest): boolean {
  return protocol === 'https';
}
