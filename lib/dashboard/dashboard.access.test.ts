import {
  DashboardAccess,
  EndedSessions,
  formTokenOf,
  isFormToken,
  isSameOrigin,
  nameOfOpened,
  noticeCookie,
  noticeOf,
  sessionName,
  SESSION_COOKIE,
  tokenCredential,
} from './dashboard.access.js';
import { checkRoutePath } from '../common/options.js';
import { resolveDashboardOptions } from './dashboard.options.js';

const SECRET = tokenCredential('secret', true);
const accessWith = (now?: () => number, ...secrets: string[]) =>
  new DashboardAccess(
    (secrets.length === 0 ? ['secret'] : secrets).map((secret) => tokenCredential(secret, true)),
    now,
  );
const asking = (headers: Record<string, string>) => ({ headers });
const withCookie = (session: string) => asking({ cookie: `other=1; ${SESSION_COOKIE}=${session}; last=x` });

describe('DashboardAccess', () => {
  it('admits everyone without a token', () => {
    const access = new DashboardAccess([]);
    expect(access.admits(asking({}))).toBe(true);
    expect([access.isGuarded, access.credentialOf('')]).toEqual([false, undefined]);
    expect(access.sessionOf(withCookie(access.openSession(SECRET)))).toBeUndefined();
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
    expect(accessWith().admits(asking({ authorization }))).toBe(admitted);
  });

  it('accepts the token and nothing else', () => {
    const access = accessWith();
    for (const wrong of ['', 'Secret', undefined, null, 7, ['secret'], { token: 'secret' }])
      expect(access.credentialOf(wrong)).toBeUndefined();
    expect(access.credentialOf('secret')?.canWrite).toBe(true);
  });

  it('accepts a session until it expires, in every process with that token', () => {
    let nowMs = 1_800_000_000_000;
    const access = accessWith(() => nowMs);
    const session = access.openSession(SECRET);
    expect(access.admits(withCookie(session))).toBe(true);
    expect(accessWith(() => nowMs).admits(withCookie(session))).toBe(true);
    expect(accessWith(() => nowMs, 'another').admits(withCookie(session))).toBe(false);
    nowMs += 12 * 3_600_000;
    expect(access.admits(withCookie(session))).toBe(false);
  });

  it('rejects a forged session', () => {
    const access = accessWith();
    const [endMs, signature] = access.openSession(SECRET).split('.');
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
    const access = accessWith();
    expect(access.cookie('x', true)).toBe(`${SESSION_COOKIE}=x; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200; Secure`);
    expect(access.cookie(null, false)).toBe(`${SESSION_COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0`);
    expect(access.openSession(SECRET)).not.toContain('secret');
  });
});

describe('the role of a session', () => {
  const access = new DashboardAccess([tokenCredential('master', true), tokenCredential('token', false)]);
  const sessionWith = (secret: string) => withCookie(access.openSession(access.credentialOf(secret)!));

  it('is that of the secret that opened it', () => {
    expect(access.sessionOf(sessionWith('master'))?.credential.canWrite).toBe(true);
    expect(access.sessionOf(sessionWith('token'))?.credential.canWrite).toBe(false);
  });

  it('cannot be raised by a signature of the other secret', () => {
    const [end, rest] = access.openSession(access.credentialOf('token')!).split('.');
    const signature = access.openSession(access.credentialOf('master')!).split('.')[1].slice(16);
    expect(access.sessionOf(withCookie(`${end}.${rest.slice(0, 16)}${signature}`))).toBeUndefined();
  });

  it('is that of the master key if the token is the same', () => {
    const both = new DashboardAccess([tokenCredential('same', true), tokenCredential('same', false)]);
    expect(both.credentialOf('same')?.canWrite).toBe(true);
  });
});

describe('forms', () => {
  const access = accessWith();
  const open = () => access.sessionOf(withCookie(access.openSession(SECRET)))!;

  it('are recorded with the name of their session, which has a part of its id', () => {
    const cookie = access.openSession(SECRET);
    const session = access.sessionOf(withCookie(cookie))!;
    expect(nameOfOpened(cookie)).toBe(sessionName(session));
    expect(sessionName(session)).toBe(`dashboard:${session.id.slice(0, 8)}`);
  });

  it('are accepted with the token of their own session', () => {
    const [mine, other] = [open(), open()];
    expect(isFormToken(mine, formTokenOf(mine))).toBe(true);
    for (const wrong of [null, '', formTokenOf(other), `${formTokenOf(mine)}x`, mine.id]) expect(isFormToken(mine, wrong)).toBe(false);
    expect(formTokenOf(mine)).not.toContain(mine.id);
  });

  it.each([
    [{}, true],
    [{ 'sec-fetch-site': 'same-origin', origin: 'https://behind-a-proxy.example' }, true],
    [{ 'sec-fetch-site': 'cross-site', origin: 'http://gateway:3000' }, false],
    [{ 'sec-fetch-site': 'same-site' }, false],
    [{ 'sec-fetch-site': 'none' }, false],
    [{ origin: 'http://gateway:3000' }, true],
    [{ origin: 'http://gateway:3001' }, false],
    [{ origin: 'http://gateway:3000.evil.example' }, false],
    [{ origin: 'null' }, false],
  ])('come from this server with %j: %s', (headers, expected) => {
    expect(isSameOrigin(asking({ host: 'gateway:3000', ...headers }))).toBe(expected);
  });

  it('leave a notice that only their own session sees', () => {
    const [mine, other] = [open(), open()];
    const [cookie] = noticeCookie(mine, 'Saved “ü”.', false).split(';');
    expect(noticeOf(asking({ cookie }), mine)).toBe('Saved “ü”.');
    expect(noticeOf(asking({ cookie }), other)).toBeUndefined();
    expect(noticeOf(asking({ cookie: `${cookie}x` }), mine)).toBeUndefined();
    expect(noticeOf(asking({}), mine)).toBeUndefined();
    expect(noticeCookie(mine, 'x'.repeat(10_000), false).length).toBeLessThan(1_000);
  });
});

describe('a session that was logged out', () => {
  it('is invalid for every copy of its cookie, and no other session is', () => {
    const access = accessWith();
    const [first, second] = [access.openSession(SECRET), access.openSession(SECRET)];
    expect(access.endSession(withCookie(first))).toMatchObject({ id: expect.any(String) as string, endMs: expect.any(Number) as number });
    expect([access.admits(withCookie(first)), access.admits(withCookie(second))]).toEqual([false, true]);
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
    expect(resolveDashboardOptions({}, false, 'development')).toEqual({ token: null, intervalMs: 2000, title: 'Control room' });
    expect(resolveDashboardOptions({ token: 't' }, false, 'production').token).toBe('t');
  });

  it('need a token or a master key in production', () => {
    expect(resolveDashboardOptions({}, true, 'production').token).toBeNull();
    expect(() => resolveDashboardOptions({}, false, 'production')).toThrow(/^dashboard\.token: must be set if NODE_ENV is production/);
  });

  it.each([
    [{ token: '' }, 'dashboard.token: must be a non-empty string'],
    [{ token: ' hunter2 ' }, 'dashboard.token: must be a non-empty string'],
    [{ token: 7 }, 'dashboard.token: must be a non-empty string'],
    [{ intervalMs: 10 }, 'dashboard.intervalMs: must be an integer from 250'],
    [{ title: '' }, 'dashboard.title: must be a non-empty string'],
    [{ tokne: 'x' }, 'dashboard.tokne: is not a known option (did you mean token?)'],
  ])('are rejected: %j', (options, message) => {
    const attempt = () => resolveDashboardOptions(options as never, false, 'test');
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
