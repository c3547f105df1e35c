import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** The part of a request that authenticates it. */
export interface AskingRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Host and port that the client addressed, by the app's own proxy settings. */
  readonly host?: string;
}

export const SESSION_COOKIE = 'fast_litellm_dashboard';
const FLASH_COOKIE = 'fast_litellm_dashboard_notice';
/** Characters of a session's id in its name. Only the signature is secret. */
const SHOWN_ID = 8;
const SESSION_MS = 12 * 3_600_000;
const FLASH_SECONDS = 60;
/** Longer notices are truncated, because a cookie holds 4 KB. */
const LONGEST_NOTICE = 500;
/** Expiry, id (96 bits) and signature (160 bits). */
const SESSION = /^(\d{1,15})\.([\w-]{16})([\w-]{27})$/;

/** A secret that grants access. Sessions are signed with it, and end when it changes. */
export interface Credential {
  /** Compares in constant time. */
  matches(text: string): boolean;
  /** HMAC-SHA256 with the secret. */
  sign(text: string): Buffer;
  /** Whether its sessions can change anything. */
  readonly canWrite: boolean;
}

/** The option `token`. */
export function tokenCredential(token: string, canWrite: boolean): Credential {
  return {
    matches: (text) => equal(text, token),
    sign: (text) => createHmac('sha256', `session of ${token}`).update(text).digest(),
    canWrite,
  };
}

/** A session of a browser. */
export interface DashboardSession {
  readonly id: string;
  /** By the wall clock. */
  readonly endMs: number;
}

/** A valid session, and the secret that opened it. */
export interface OpenSession extends DashboardSession {
  readonly credential: Credential;
}

/** Decides who may see the dashboard and change anything. Without credentials: everyone sees it. */
export class DashboardAccess {
  private readonly ended = new EndedSessions();

  /** @param credentials in the order in which they are compared */
  constructor(
    private readonly credentials: readonly Credential[],
    private readonly now: () => number = Date.now,
  ) {}

  /** Whether a credential is needed. */
  get isGuarded(): boolean {
    return this.credentials.length > 0;
  }

  /** Checks the `Authorization` header and the session cookie. */
  admits(request: AskingRequest): boolean {
    if (!this.isGuarded) return true;
    const [, bearer] = /^bearer (.+)$/i.exec(String(request.headers.authorization ?? '')) ?? [];
    return (bearer !== undefined && this.credentialOf(bearer) !== undefined) || this.sessionOf(request) !== undefined;
  }

  /** The valid session of a request: signed, not expired, not logged out in this process. */
  sessionOf(request: AskingRequest): OpenSession | undefined {
    const [, end, id, signature] = SESSION.exec(cookieOf(request, SESSION_COOKIE) ?? '') ?? [];
    if (end === undefined) return undefined;
    const credential = this.credentials.find((each) => equal(signature, signatureOf(each, `${end}.${id}`)));
    if (credential === undefined) return undefined;
    const session = { id, endMs: Number(end), credential };
    return session.endMs > this.now() && !this.ended.has(session) ? session : undefined;
  }

  /** Logs the session of a request out: copies of its cookie become invalid in this process. */
  endSession(request: AskingRequest): DashboardSession | undefined {
    const session = this.sessionOf(request);
    if (session !== undefined) this.ended.add(session, this.now());
    return session;
  }

  /** The credential with this secret. */
  credentialOf(given: unknown): Credential | undefined {
    return typeof given === 'string' ? this.credentials.find((each) => each.matches(given)) : undefined;
  }

  /** Creates a session: valid in all processes with this credential. */
  openSession(credential: Credential): string {
    const end = String(this.now() + SESSION_MS);
    const id = randomBytes(12).toString('base64url');
    return `${end}.${id}${signatureOf(credential, `${end}.${id}`)}`;
  }

  /** The `Set-Cookie` header of a session; `null` deletes the cookie. */
  cookie(session: string | null, isSecure: boolean): string {
    return cookieText(SESSION_COOKIE, session ?? '', session === null ? 0 : SESSION_MS / 1000, isSecure);
  }
}

/** The name of a session in logs and in the audit log: `dashboard:` and the start of its id. */
export function sessionName({ id }: Pick<DashboardSession, 'id'>): string {
  return `dashboard:${id.slice(0, SHOWN_ID)}`;
}

/** The name of a session that was opened, by the value of its cookie. */
export function nameOfOpened(cookie: string): string {
  return sessionName({ id: SESSION.exec(cookie)?.[2] ?? '' });
}

/** The token that forms of a session carry: another site cannot read it. */
export function formTokenOf({ credential, id }: OpenSession): string {
  return signatureOf(credential, `form of ${id}`);
}

/** Whether a form carries the token of its session. */
export function isFormToken(session: OpenSession, given: string | null): boolean {
  return given !== null && equal(given, formTokenOf(session));
}

/**
 * Returns whether a POST comes from a page of this server, according to the browser's headers.
 * Other clients send neither header.
 */
export function isSameOrigin({ headers, host = String(headers.host ?? '') }: AskingRequest): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin';
  const { origin } = headers;
  if (origin === undefined) return true;
  return URL.canParse(String(origin)) && new URL(String(origin)).host === host.toLowerCase();
}

/** The `Set-Cookie` header of a notice for the next page of a session. */
export function noticeCookie({ credential, id }: OpenSession, notice: string, isSecure: boolean): string {
  const text = Buffer.from(notice.slice(0, LONGEST_NOTICE)).toString('base64url');
  return cookieText(FLASH_COOKIE, `${text}.${signatureOf(credential, `notice of ${id}: ${text}`)}`, FLASH_SECONDS, isSecure);
}

/** The notice that the last form of a session has left. */
export function noticeOf(request: AskingRequest, { credential, id }: OpenSession): string | undefined {
  const [text, signature = ''] = (cookieOf(request, FLASH_COOKIE) ?? '').split('.', 2);
  if (text === '' || !equal(signature, signatureOf(credential, `notice of ${id}: ${text}`))) return undefined;
  return Buffer.from(text, 'base64url').toString('utf8');
}

/** Deletes the cookie of a notice that was shown. */
export function shownNoticeCookie(isSecure: boolean): string {
  return cookieText(FLASH_COOKIE, '', 0, isSecure);
}

function cookieText(name: string, value: string, maxAge: number, isSecure: boolean): string {
  return `${name}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${maxAge}${isSecure ? '; Secure' : ''}`;
}

function signatureOf(credential: Credential, text: string): string {
  return credential.sign(text).subarray(0, 20).toString('base64url');
}

function equal(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

function cookieOf({ headers }: AskingRequest, name: string): string | undefined {
  for (const pair of String(headers.cookie ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}

/** Maximum number of remembered log-outs. Only clients with the token can log out. */
const MOST_SESSIONS = 10_000;

/**
 * Sessions logged out in this process, until they expire. Above the bound, those that expire first
 * count as logged out.
 */
export class EndedSessions {
  private readonly endMsOf = new Map<string, number>();
  /** Sessions that expire by then count as logged out. */
  private floorMs = 0;

  constructor(private readonly most = MOST_SESSIONS) {}

  has({ id, endMs }: DashboardSession): boolean {
    return endMs <= this.floorMs || this.endMsOf.has(id);
  }

  add({ id, endMs }: DashboardSession, nowMs: number): void {
    this.endMsOf.set(id, endMs);
    if (this.endMsOf.size <= this.most) return;
    for (const [known, end] of this.endMsOf) if (end <= nowMs) this.endMsOf.delete(known);
    if (this.endMsOf.size <= this.most) return;
    this.floorMs = Math.max(this.floorMs, Math.min(...this.endMsOf.values()));
    for (const [known, end] of this.endMsOf) if (end <= this.floorMs) this.endMsOf.delete(known);
  }
}
