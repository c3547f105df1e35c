import { DashboardAccess, EndedSessions, SESSION_COOKIE } from './dashboard.access.js';
import { checkRoutePath } from '../common/options.js';
import { resolveDashboardOptions } from './dashboard.options.js';

const asking = (headers: Record<string, string>) => ({ headers });
const withCookie = (session: string) => asking({ cookie: `other=1; ${SESSION_COOKIE}=${session}; last=x` });

describe('DashboardAccess', () => {
  it('admits everyone without a token', () => {
    const access = new DashboardAccess(null);
    expect(access.admits(asking({}))).toBe(true);
    expect([access.isGuarded, access.isToken(''), access.hasSession(withCookie(access.openSession()))]).toEqual([false, false, false]);
  });

  it.each([
    ['Bearer secret', true],
    ['bearer secret', true],
    ['Bearer secret2', false],
    ['Bearer secre', false],
    ['Bearer ', false],
    ['Basic secret', false],
    ['secret', false],
  ])('with the header %j it is %s', (authorization, admitted) => {
    expect(new DashboardAccess('secret').admits(asking({ authorization }))).toBe(admitted);
  });

  it('accepts the token and nothing else', () => {
    const access = new DashboardAccess('secret');
    for (const wrong of ['', 'Secret', undefined, null, 7, ['secret'], { token: 'secret' }]) expect(access.isToken(wrong)).toBe(false);
    expect(access.isToken('secret')).toBe(true);
  });

  it('accepts a session until it expires, in every process with that token', () => {
    let nowMs = 1_800_000_000_000;
    const access = new DashboardAccess('secret', () => nowMs);
    const session = access.openSession();
    expect(access.admits(withCookie(session))).toBe(true);
    expect(new DashboardAccess('secret', () => nowMs).admits(withCookie(session))).toBe(true);
    expect(new DashboardAccess('another', () => nowMs).admits(withCookie(session))).toBe(false);
    nowMs += 12 * 3_600_000;
    expect(access.admits(withCookie(session))).toBe(false);
  });

  it('rejects a forged session', () => {
    const access = new DashboardAccess('secret');
    const [endMs, signature] = access.openSession().split('.');
    for (const forged of [
      `${Number(endMs) + 1}.${signature}`,
      `${endMs}.${'A'.repeat(43)}`,
      `${endMs}.`,
      `.${signature}`,
      endMs,
      'secret',
      '',
      `${endMs}.${signature}x`,
    ]) {
      expect(access.admits(withCookie(forged))).toBe(false);
    }
  });

  it('sets a cookie that scripts and other sites cannot use', () => {
    const access = new DashboardAccess('secret');
    expect(access.cookie('x', true)).toBe(`${SESSION_COOKIE}=x; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200; Secure`);
    expect(access.cookie(null, false)).toBe(`${SESSION_COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0`);
    expect(access.openSession()).not.toContain('secret');
  });
});

describe('a session that was logged out', () => {
  it('is invalid for every copy of its cookie, and no other session is', () => {
    const access = new DashboardAccess('secret');
    const [first, second] = [access.openSession(), access.openSession()];
    expect(access.endSession(withCookie(first))).toEqual({ id: expect.any(String) as string, endMs: expect.any(Number) as number });
    expect([access.hasSession(withCookie(first)), access.hasSession(withCookie(second))]).toEqual([false, true]);
    expect(access.endSession(withCookie(first))).toBeUndefined();
    expect(access.endSession(withCookie('made.up'))).toBeUndefined();
  });

  it('stays invalid after any number of log-outs, in bounded memory', () => {
    const ended = new EndedSessions(100);
    const session = (index: number) => ({ id: `s${index}`, endMs: 1_000_000 + index });
    for (let index = 0; index < 1_000; index++) ended.add(session(index), 0);
    for (let index = 0; index < 1_000; index++) expect(ended.has(session(index))).toBe(true);
    expect(ended.has({ id: 'open', endMs: 2_000_000 })).toBe(false);
    expect((ended as unknown as { endMsOf: Map<string, number> }).endMsOf.size).toBeLessThanOrEqual(100);
  });
});

describe('the options of the dashboard', () => {
  it('have defaults', () => {
    expect(resolveDashboardOptions({}, 'development')).toEqual({ token: null, intervalMs: 2000, title: 'Control room' });
    expect(resolveDashboardOptions({ token: 't' }, 'production').token).toBe('t');
  });

  it('need a token in production', () => {
    expect(() => resolveDashboardOptions({}, 'production')).toThrow(/^dashboard\.token: must be set if NODE_ENV is production/);
  });

  it.each([
    [{ token: '' }, 'dashboard.token: must be a non-empty string'],
    [{ token: ' hunter2 ' }, 'dashboard.token: must be a non-empty string'],
    [{ token: 7 }, 'dashboard.token: must be a non-empty string'],
    [{ intervalMs: 10 }, 'dashboard.intervalMs: must be an integer from 250'],
    [{ title: '' }, 'dashboard.title: must be a non-empty string'],
    [{ tokne: 'x' }, 'dashboard.tokne: is not a known option (did you mean token?)'],
  ])('are rejected: %j', (options, message) => {
    const attempt = () => resolveDashboardOptions(options as never, 'test');
    expect(attempt).toThrow(message);
    expect(attempt).not.toThrow(/hunter2/);
  });

  it.each([
    ['/dashboard', 'dashboard'],
    ['ops/llm/', 'ops/llm'],
    ['/a-b_c.d~e', 'a-b_c.d~e'],
  ])('accept the path %s', (path, expected) => expect(checkRoutePath('dashboard.path', path)).toBe(expected));

  it.each(['', '/', 'a//b', '/x y', ':id', '*', '../up?', 7])('reject the path %j', (path) => {
    expect(() => checkRoutePath('dashboard.path', path)).toThrow(/^dashboard\.path: /);
  });
});
