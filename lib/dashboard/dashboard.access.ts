import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** The part of a request that authenticates it. */
export interface AskingRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export const SESSION_COOKIE = 'fast_litellm_dashboard';
const SESSION_MS = 12 * 3_600_000;
/** Expiry, id (96 bits) and signature (160 bits). */
const SESSION = /^(\d{1,15})\.([\w-]{16})([\w-]{27})$/;

/** Decides who may see the dashboard. Without a token: everyone. */
export class DashboardAccess {
  private readonly ended = new EndedSessions();

  constructor(
    private readonly token: string | null,
    private readonly now: () => number = Date.now,
  ) {}

  /** Whether a token is needed. */
  get isGuarded(): boolean {
    return this.token !== null;
  }

  /** Checks the `Authorization` header and the session cookie. */
  admits(request: AskingRequest): boolean {
    if (this.token === null) return true;
    const [, bearer] = /^bearer (.+)$/i.exec(String(request.headers.authorization ?? '')) ?? [];
    return (bearer !== undefined && this.isToken(bearer)) || this.hasSession(request);
  }

  /** Checks the session cookie alone. */
  hasSession(request: AskingRequest): boolean {
    return this.sessionOf(request) !== undefined;
  }

  /** The valid session of a request: signed, not expired, not logged out in this process. */
  sessionOf(request: AskingRequest): DashboardSession | undefined {
    if (this.token === null) return undefined;
    const [, end, id, signature] = SESSION.exec(cookieOf(request, SESSION_COOKIE) ?? '') ?? [];
    if (end === undefined || !equal(signature, this.sign(`${end}.${id}`))) return undefined;
    const session = { id, endMs: Number(end) };
    return session.endMs > this.now() && !this.ended.has(session) ? session : undefined;
  }

  /** Logs the session of a request out: copies of its cookie become invalid in this process. */
  endSession(request: AskingRequest): DashboardSession | undefined {
    const session = this.sessionOf(request);
    if (session !== undefined) this.ended.add(session, this.now());
    return session;
  }

  /** Compares in constant time. */
  isToken(given: unknown): boolean {
    return this.token !== null && typeof given === 'string' && equal(given, this.token);
  }

  /** Creates a session, signed with the token: valid in all processes with this token. */
  openSession(): string {
    const end = String(this.now() + SESSION_MS);
    const id = randomBytes(12).toString('base64url');
    return `${end}.${id}${this.sign(`${end}.${id}`)}`;
  }

  /** The `Set-Cookie` header of a session; `null` deletes the cookie. */
  cookie(session: string | null, isSecure: boolean): string {
    const maxAge = session === null ? 0 : SESSION_MS / 1000;
    return `${SESSION_COOKIE}=${session ?? ''}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${maxAge}${isSecure ? '; Secure' : ''}`;
  }

  private sign(text: string): string {
    return createHmac('sha256', `session of ${this.token}`).update(text).digest().subarray(0, 20).toString('base64url');
  }
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

/** A session of a browser. */
export interface DashboardSession {
  readonly id: string;
  /** By the wall clock. */
  readonly endMs: number;
}

/** Remembered log-outs. A client needs the token to log out more often. */
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
