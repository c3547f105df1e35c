import { Global, Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastLiteLLMDashboardModule, FastLiteLLMModule, postgresStore, type PostgresStore } from 'nestjs-fast-litellm';
import { chromium, type Browser, type Page } from 'playwright-core';
import { SPENDING_SOURCE } from '../../../lib/dashboard/dashboard.options.js';
import { FastLiteLLMSpendService } from '../../../lib/spend/spend.service.js';
import { createHttpAdapter } from '../../../sample-app/start.js';
import {
  BROWSER_FLAGS,
  describeInBrowser,
  DESKTOP,
  executablePath,
  noteComplaints,
  PATIENCE_MS,
  PHONE,
  picture,
} from '../../support/browser.js';
import { hasPostgres, TestDatabase } from '../../support/postgres.js';
import { writeSpend } from '../../support/spend-rows.js';

const logger = { log: () => {}, warn: () => {}, error: () => {} };
const DAY_MS = 86_400_000;
const TODAY = Date.UTC(2027, 2, 20);
const DATES = 'from=2027-03-01&to=2027-03-20';
const LONG_NAME = 'a team with a very long name that no column of a phone has room for';
const SCRIPT = '<script>alert(1)</script>';

/** Four teams over twenty days, the dearest first. */
const calls = Array.from({ length: 400 }, (_, at) => ({
  id: `call${at}`,
  started_at: TODAY - (at % 20) * DAY_MS + at,
  team_id: ['search', 'shop', SCRIPT, LONG_NAME][at % 4],
  key_id: `key${at % 3}`,
  key_alias: at % 3 === 0 ? 'mobile' : undefined,
  user_id: `user${at % 15}`,
  upstream_model: at % 2 === 0 ? 'gpt-4o' : 'claude-5',
  model_group: at % 2 === 0 ? 'gpt' : 'claude',
  tags: at % 5 === 0 ? ['batch', 'nightly'] : [],
  nano_usd: (5 - (at % 4)) * 10_000_000,
  status: at % 50 === 0 ? 'failure' : 'success',
  attempts: [
    {
      number: 1,
      started_at: TODAY,
      duration_ms: 9,
      model_group: 'gpt',
      deployment_id: 'd1',
      provider: 'openai',
      upstream_model: 'gpt-4o',
      status: 'success',
      nano_usd: 5,
    },
  ],
}));

describe('a dashboard without a spend log', () => {
  it('has no page about spend, and no link to it', async () => {
    @Module({ imports: [FastLiteLLMModule.forRoot({ logger, metrics: false }), FastLiteLLMDashboardModule.forRoot()] })
    class AppModule {}
    const app = await NestFactory.create(AppModule, createHttpAdapter(), { logger: false });
    await app.listen(0, '127.0.0.1');
    const url = await app.getUrl();
    expect((await fetch(`${url}/dashboard/spending`)).status).toBe(404);
    expect(await (await fetch(`${url}/dashboard`)).text()).not.toContain('href="dashboard/spending"');
    await app.close();
  });
});

(hasPostgres ? describe : describe.skip)('the spending pages', () => {
  let database: TestDatabase;
  let store: PostgresStore;
  let app: INestApplication;
  let url = '';

  beforeAll(async () => {
    database = await TestDatabase.create();
    store = postgresStore({ url: database.url, timeoutMs: 5_000 });
    await store.migrate();
    await writeSpend(database, calls);
    const service = new FastLiteLLMSpendService(store.spendQueries, () => TODAY + DAY_MS / 2);
    @Global()
    @Module({ providers: [{ provide: SPENDING_SOURCE, useValue: service }], exports: [SPENDING_SOURCE] })
    class SpendModule {}
    @Module({
      imports: [
        FastLiteLLMModule.forRoot({ logger, metrics: false }),
        SpendModule,
        FastLiteLLMDashboardModule.forRoot({ token: 'secret' }),
      ],
    })
    class AppModule {}
    app = await NestFactory.create(AppModule, createHttpAdapter(), { logger: false });
    await app.listen(0, '127.0.0.1');
    url = `${await app.getUrl()}/dashboard`;
  });
  afterAll(async () => {
    await app.close();
    await store.close();
    await database.drop();
  });

  const get = (path: string): Promise<Response> => fetch(`${url}/${path}`, { headers: { authorization: 'Bearer secret' } });
  const text = async (path: string): Promise<string> => (await (await get(path)).text()).replace(/\s+/g, ' ');

  it('need the token of the dashboard', async () => {
    for (const path of ['spending', 'calls', 'call?id=call1']) {
      const answer = await fetch(`${url}/${path}`);
      expect([answer.status, (await answer.text()).includes('search')]).toEqual([401, false]);
    }
  });

  it('answer what people ask first', async () => {
    const page = await text(`spending?${DATES}`);
    // 100 calls of each team: 5 + 4 + 3 + 2 USD.
    expect(page).toMatch(/Spent<\/dt> <dd class="total">\$14\.00</);
    expect(page).toMatch(/Forecast for 2027-03<\/dt> <dd class="total">\$[\d.]+<\/dd> <dd class="rate">\$14\.00 so far/);
    expect(page).toContain('Calls</dt> <dd class="total">400</dd> <dd class="rate">8 failed');
    expect(page).toContain('Top 10 by team');
    expect(page).toMatch(/<a href="spending\?from=2027-03-01&amp;to=2027-03-20&amp;by=model&amp;team=search">search<\/a ?>/);
    expect(await text(`spending?from=2027-03-11&to=2027-03-20`)).toMatch(/Change<\/dt> <dd class="total">\+12%</);
    const dashboard = await fetch(url, { headers: { authorization: 'Bearer secret' } });
    expect(await dashboard.text()).toContain('<a href="dashboard/spending">Spending</a>');
  });

  it('escape what clients have chosen', async () => {
    for (const path of [
      `spending?${DATES}`,
      `spending?${DATES}&team=${encodeURIComponent(SCRIPT)}`,
      `calls?${DATES}`,
      `call?id=${SCRIPT}`,
    ]) {
      expect(await text(path)).not.toContain('<script>');
    }
    expect((await get(`spending?${DATES}`)).headers.get('content-security-policy')).toContain("default-src 'none'");
  });

  it.each([
    ['spending?by=planet&from=yesterday&tema=x', 200, 'Top 10 by team'],
    ['spending?from=2027-03-20&to=2027-03-01', 400, 'from: must be before to'],
    ['spending?from=2027-02-30&to=2027-03-01', 400, 'from: must be a date'],
    ['calls?after=x', 400, 'after: must be the cursor'],
    ['call?id=none', 404, 'This call is no longer recorded.'],
    ['call', 404, 'This call is no longer recorded.'],
    ['spending?from=2001-01-01&to=2001-01-31', 200, 'Nothing was spent in this period.'],
  ])('answer %s with %i', async (path, status, words) => {
    const answer = await get(path);
    expect([answer.status, await answer.text()]).toEqual([status, expect.stringContaining(words)]);
  });

  it('list calls page by page, down to one', async () => {
    const first = await text(`calls?${DATES}&team=search`);
    expect(first.match(/<tr>/g)).toHaveLength(51);
    const [, next] = /<a href="(calls\?[^"]*after=[^"]*)" rel="next"/.exec(first)!;
    const second = await text(next.replaceAll('&amp;', '&'));
    expect(second.match(/<tr>/g)).toHaveLength(51);
    expect(second).not.toContain('rel="next"');
    const [, link] = /<a href="(call\?[^"]*)"/.exec(second)!;
    const call = await text(link.replaceAll('&amp;', '&'));
    expect(call).toMatch(/Call call\d+<\/h2>/);
    expect(call).toContain('<dt>Team</dt> <dd>search</dd>');
    expect(call).toMatch(/<td class="name" data-label="Model group">gpt <span class="note below">gpt-4o · d1<\/span>/);
  });

  describeInBrowser('in a browser', () => {
    let browser: Browser;
    let page: Page;
    const complaints: string[] = [];
    beforeAll(async () => void (browser = await chromium.launch({ executablePath, args: BROWSER_FLAGS, timeout: PATIENCE_MS })));
    afterAll(() => browser?.close());
    beforeEach(async () => {
      complaints.length = 0;
      const context = await browser.newContext({ viewport: DESKTOP, extraHTTPHeaders: { authorization: 'Bearer secret' } });
      page = await context.newPage();
      noteComplaints(page, new URL(url).origin, complaints);
    });
    afterEach(() => page.context().close());

    it.each([
      ['light', PHONE],
      ['dark', PHONE],
      ['light', DESKTOP],
    ] as const)('fit a %s screen of %j', async (colorScheme, size) => {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize(size);
      for (const path of [
        `spending?${DATES}`,
        `spending?${DATES}&by=user&team=${encodeURIComponent(LONG_NAME)}`,
        `calls?${DATES}`,
        `call?id=call7`,
      ]) {
        await page.goto(`${url}/${path}`);
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(size.width);
        await picture(page, `${path.split('?')[0]}-${colorScheme}-${size.width}`);
      }
      await page.goto(`${url}/spending?${DATES}`);
      const chart = await page.locator('figure.by-day > svg').boundingBox();
      expect(chart!.width).toBeGreaterThan(size.width * 0.8);
      expect(chart!.height).toBeGreaterThan(150);
      // Each day is a bar of several pixels.
      const bars = await page.locator('figure.by-day > svg path').first().boundingBox();
      expect(bars!.width / 20).toBeGreaterThan(10);
      expect(complaints).toEqual([]);
    });

    it('go from the dearest team to its calls, by keyboard', async () => {
      await page.goto(`${url}/spending?${DATES}`);
      await page.getByRole('link', { name: 'search', exact: true }).focus();
      await page.keyboard.press('Enter');
      await page.waitForURL(/by=model&team=search/);
      expect(await page.getByRole('heading', { name: 'Top 10 by model', exact: true }).count()).toBe(1);
      await page.getByRole('combobox', { name: 'By' }).selectOption('user');
      await page.getByRole('button', { name: 'Show' }).press('Enter');
      await page.waitForURL(/by=user.*team=search/);
      await page.getByRole('link', { name: 'All calls' }).press('Enter');
      await page.waitForURL(/calls\?/);
      await page.locator('.of-calls tbody a').first().press('Enter');
      await page.waitForURL(/call\?/);
      expect(await page.locator('.facts').textContent()).toMatch(/Team\s*search/);
      expect(complaints).toEqual([]);
    });
  });
});
