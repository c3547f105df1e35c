import { FastLiteLLMDashboardModule } from 'nestjs-fast-litellm';
import { readFileSync, writeFileSync } from 'node:fs';
import { ConsoleApp, HOSTILE, MASTER_KEY } from '../../support/console-app.js';
import { GatewayApp } from '../../support/gateway-app.js';
import { stopProviders } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';

const PAGES = ['', 'models', 'keys', 'calls', 'diagnostics'];
const tokenIn = (page: string) => /name="form_token" value="([\w-]+)"/.exec(page)?.[1] ?? '';

describe.each(['Express', 'Fastify'] as const)('the console on %s', (adapter) => {
  let app: ConsoleApp;
  let cookie: string;

  beforeAll(async () => {
    app = await ConsoleApp.start(adapter, { token: 'read-only-token' });
    cookie = await app.logIn();
    await app.exercise();
  });
  afterAll(async () => {
    await app.stop();
    await stopProviders();
  });

  it('says first what fails, why, and what to do', async () => {
    await until(async () => (await app.page('', cookie)).includes('claude-sonnet is failing'));
    const page = (await app.page('', cookie)).replace(/\s+/g, ' ');
    expect(page).toMatch(/<span class="pill bad">.*?Failing: claude-sonnet/);
    expect(page).toMatch(
      /claude-sonnet is failing<\/a ?><\/strong ?> <p>9 of 12 attempts failed in the last 5 minutes, most with a provider server error\./,
    );
    expect(page).toContain('Check the provider&#39;s status; add a deployment of another provider or a fallback.');
    expect(page).toMatch(/llama-3 cannot be called.*?GROQ_KEY_THAT_IS_NOT_SET/);
    expect(page).toMatch(/<th scope="row"> ?gpt-4o <span.*?<span class="badge good">available/);
    expect(page.indexOf('Needs attention')).toBeLessThan(page.indexOf('Latency and calls'));
    expect(page).not.toContain('rollout percentage');
  });

  it('lists calls by model group and status, down to one with its attempts', async () => {
    const rows = (page: string) => page.match(/<th scope="row">/g)?.length ?? 0;
    // A call is recorded after its answer.
    await until(async () => rows(await app.page('calls', cookie)) === 29);
    expect(rows(await app.page('calls?modelGroup=claude-sonnet', cookie))).toBe(12);
    const failed = await app.page('calls?modelGroup=claude-sonnet&status=failure', cookie);
    expect(rows(failed)).toBe(9);
    expect(failed).toContain('<option value="failure" selected>');
    const [, link] = /<a href="(call\?[^"]+)"/.exec(failed)!;
    const call = (await app.page(link.replaceAll('&amp;', '&'), cookie)).replace(/\s+/g, ' ');
    expect(call).toMatch(/<dt>Model group<\/dt> <dd>claude-sonnet<\/dd>/);
    expect(call).toMatch(/data-label="Status"> ?<span class="badge bad">failure<\/span> <span class="note below">.*status 500/);
    expect(call).toContain('after ');
    expect(call).toContain('modelGroup=claude-sonnet&amp;status=failure');
    expect(await app.page('calls?status=success&key=none', cookie)).toContain('No calls yet that match.');
    expect(await app.page('call?id=none', cookie)).toContain('This call is no longer recorded.');
    expect(await app.page('calls?after=none', cookie)).toContain('after: must be the cursor');
  });

  it('renders what clients and providers have chosen as text', async () => {
    const [, id] = /href="(call\?[^"]+)"/.exec(await app.page(`calls?modelGroup=${encodeURIComponent(HOSTILE)}`, cookie))!;
    for (const path of [
      ...PAGES,
      id.replaceAll('&amp;', '&'),
      `calls?key=${encodeURIComponent(HOSTILE)}`,
      `call?id=${encodeURIComponent(HOSTILE)}`,
    ]) {
      const { text, headers } = await app.gateway.ask(`/dashboard/${path}`.replace(/\/$/, ''), { method: 'GET', headers: { cookie } });
      expect([path, text.includes('<img')]).toEqual([path, false]);
      expect(text).not.toMatch(/<script(?! src=)|<style|\sstyle=|\son\w+="/);
      expect(text).not.toContain('sk-provider-secret-key');
      expect(headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self';/);
    }
    expect(await app.page('models', cookie)).toContain('&lt;img src=x');
  });

  it('reloads the configuration once, with a notice that is shown once', async () => {
    const page = await app.page('diagnostics', cookie);
    expect(page).toContain('Reload the configuration');
    const form = { form_token: tokenIn(page) };
    const unchanged = await app.post('diagnostics', form, { cookie, 'sec-fetch-site': 'same-origin' });
    expect([unchanged.status, unchanged.headers.location]).toEqual([303, 'diagnostics']);

    writeFileSync(app.configPath, readFileSync(app.configPath, 'utf8').replace('"num_retries":0', '"num_retries":1'));
    const changed = await app.post('diagnostics', form, { cookie });
    expect(changed.status).toBe(303);
    const [notice] = String(changed.headers['set-cookie']).split(';', 1);
    expect(changed.headers['set-cookie']![0]).toMatch(/; Path=\/; HttpOnly; SameSite=Strict; Max-Age=60$/);
    const shown = await app.gateway.ask('/dashboard/diagnostics', { method: 'GET', headers: { cookie: `${cookie}; ${notice}` } });
    expect(shown.text).toContain('Version 2 of the configuration is in use, with 1 change.');
    expect(shown.headers['set-cookie']![0]).toMatch(/^fast_litellm_dashboard_notice=; .*Max-Age=0$/);
    await until(async () => (await app.page('diagnostics', cookie)).includes('router_settings.num_retries'));
  });

  it('keeps the version of the file that was valid, and says why the next one is rejected', async () => {
    const before = readFileSync(app.configPath, 'utf8');
    writeFileSync(app.configPath, before.replace('"num_retries":1', `"num_retries":"${HOSTILE.replaceAll('"', '\\"')}"`));
    const answer = await app.post('diagnostics', { form_token: tokenIn(await app.page('diagnostics', cookie)) }, { cookie });
    expect(answer.status).toBe(400);
    expect(answer.text).toMatch(/role="alert">[^<]*num_retries/);
    expect(answer.text).not.toContain('<img');
    await until(async () => (await app.page('', cookie)).includes('The latest configuration was rejected'));
    writeFileSync(app.configPath, before);
    await app.post('diagnostics', { form_token: tokenIn(await app.page('diagnostics', cookie)) }, { cookie });
    await until(async () => !(await app.page('', cookie)).includes('was rejected'));
  });

  describe('a form', () => {
    const versionOf = () => app.gateway.llm.configuration.current().version;
    const isRefused = async (form: Record<string, string>, headers: Record<string, string>, status: number, words: string) => {
      const before = versionOf();
      const answer = await app.post('diagnostics', form, headers);
      expect([answer.status, answer.text.includes(words) ? words : answer.text]).toEqual([status, words]);
      expect(versionOf()).toBe(before);
    };

    it('is rejected without its token, or with that of another session', async () => {
      const other = tokenIn(await app.page('diagnostics', await app.logIn()));
      for (const form of [{}, { form_token: '' }, { form_token: other }] as Record<string, string>[])
        await isRefused(form, { cookie }, 403, 'Reload the page and try again.');
    });

    it('is rejected from another site, even with its token', async () => {
      const form = { form_token: tokenIn(await app.page('diagnostics', cookie)) };
      const foreign: readonly Record<string, string>[] = [
        { 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'same-site' },
        { origin: 'https://evil.example' },
        { origin: 'null' },
      ];
      for (const headers of foreign) await isRefused(form, { cookie, ...headers }, 403, 'Reload the page and try again.');
    });

    it('is rejected without a session, also with the master key in a header', async () => {
      const form = { form_token: tokenIn(await app.page('diagnostics', cookie)) };
      await isRefused(form, {}, 401, 'Your session has ended, and nothing was changed.');
      await isRefused(form, { authorization: `Bearer ${MASTER_KEY}` }, 401, 'Your session has ended');
    });

    it('is not rendered for, and not accepted from, a session with the token', async () => {
      const reader = await app.logIn('read-only-token');
      const page = await app.page('diagnostics', reader);
      expect(page).not.toContain('form_token');
      expect(page).toContain('Read-only session: to make changes, log out, and log in with the master key.');
      await isRefused({ form_token: tokenIn(await app.page('diagnostics', cookie)) }, { cookie: reader }, 403, 'Read-only session');
    });

    it('of a page without forms gets 404', async () => {
      expect((await app.post('calls', {}, { cookie })).status).toBe(404);
      expect((await app.post('nothing', {}, { cookie })).status).toBe(404);
    });
  });

  it('logs in only from its own pages', async () => {
    const foreign = await app.post('login', { token: MASTER_KEY }, { 'sec-fetch-site': 'cross-site' });
    expect([foreign.status, foreign.headers['set-cookie']]).toEqual([403, undefined]);
    expect((await app.post('logout', {}, { cookie, origin: 'https://evil.example' })).status).toBe(403);
    expect(await app.page('calls', cookie)).toContain('Log out');
  });

  it('has no key in any cookie, page or redirect', async () => {
    const texts = [cookie, ...(await Promise.all(PAGES.map((path) => app.page(path, cookie))))];
    for (const text of texts)
      for (const secret of [MASTER_KEY, 'read-only-token', 'sk-provider-secret-key']) expect(text).not.toContain(secret);
  });
});

describe('a console that everyone can open', () => {
  it('is read-only, and says how to get a session', async () => {
    const gateway = await GatewayApp.start('Express', {}, { imports: [FastLiteLLMDashboardModule.forRoot()] });
    const page = (await gateway.ask('/dashboard/diagnostics', { method: 'GET' })).text;
    expect(page).toContain('To make changes, set a master key (LITELLM_MASTER_KEY) or dashboard.token, and log in.');
    expect(page).not.toContain('<form');
    expect((await gateway.ask('/dashboard/diagnostics', {})).status).toBe(403);
    await gateway.stop();
  });
});
