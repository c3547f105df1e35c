import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { countTokens, estimateCost } from 'nestjs-fast-litellm';
import { chromium, type Browser, type Page } from 'playwright-core';
import { register } from 'prom-client';
import { AppModule } from '../../../sample-app/app.module.js';
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

const OLD = 'slow and long and old';
const HELD_MS = 700;

describeInBrowser('the page, in a browser', () => {
  let app: NestFastifyApplication;
  let browser: Browser;
  let page: Page;
  let url: string;
  const complaints: string[] = [];

  beforeAll(async () => {
    const testing = await Test.createTestingModule({ imports: [AppModule] }).compile();
    testing.useLogger(false);
    app = testing.createNestApplication<NestFastifyApplication>(createHttpAdapter());
    await app.listen(0, '127.0.0.1');
    url = await app.getUrl();
    browser = await chromium.launch({ executablePath, args: BROWSER_FLAGS, timeout: PATIENCE_MS });
  });
  afterAll(async () => {
    await browser?.close();
    await app?.close();
    register.clear();
  });

  beforeEach(async () => {
    complaints.length = 0;
    page = await browser.newPage({ viewport: DESKTOP });
    noteComplaints(page, url, complaints);
    await page.goto(url);
    await shows('#tokens', /\d/);
  });
  afterEach(() => page.close());

  const read = (selector: string) => page.locator(selector).textContent();
  /**
   * Waits until the element shows the text. Evaluates no string, because the page's policy forbids
   * it.
   */
  const shows = (selector: string, wanted: RegExp) =>
    page.locator(selector).filter({ hasText: wanted }).waitFor({ state: 'attached', timeout: PATIENCE_MS });
  const exactly = (value: number) => new RegExp(`^${value.toLocaleString('en-US')}$`);

  it('counts its initial text without console errors', async () => {
    const text = await page.locator('#text').inputValue();
    expect(await read('#tokens')).toBe(String(countTokens(text, 'gpt-4o')));
    expect(await page.locator('#pieces span').count()).toBeGreaterThan(10);
    expect(await read('#pieces')).toBe(text);
    expect(complaints).toEqual([]);
    await picture(page, 'desktop');
  });

  it('counts while the user types', async () => {
    const text = 'Every keystroke counts: 日本語, naïve, 👩‍👩‍👧.';
    await page.locator('#text').fill('');
    await shows('#tokens', exactly(0));
    await page.locator('#text').pressSequentially(text, { delay: 5 });
    await shows('#tokens', exactly(countTokens(text, 'gpt-4o')));
    expect(await read('#pieces')).toBe(text);
    expect(await read('#characters')).toBe(String([...text].length));
    expect(await read('#engine')).toBe(await read('#running-engine'));
    expect(await read('#time')).toMatch(/^\d+(\.\d+)? ms$/);
    expect(complaints).toEqual([]);
  });

  it('counts again for another model, and marks an estimate', async () => {
    const text = '日本語のテキスト '.repeat(50);
    await page.locator('#text').fill(text);
    await page.locator('#model').selectOption('gpt-4');
    await shows('#tokens', exactly(countTokens(text, 'gpt-4')));
    expect(countTokens(text, 'gpt-4')).not.toBe(countTokens(text, 'gpt-4o'));
    expect(await read('#encoding')).toBe('cl100k_base');
    const cost = estimateCost(countTokens(text, 'gpt-4'), 0, 'gpt-4') as number;
    expect(Number((await read('#cost'))?.replace('$', ''))).toBeCloseTo(cost, 3);
    await page.locator('#model').selectOption('claude-opus-4-8');
    await shows('#note', /^An estimate: the tokenizer of claude-opus-4-8 is not public/);
    expect(await read('#tokens')).toMatch(/^≈ /);
  });

  it('shows the latest answer even if an older one arrives later', async () => {
    await page.route('**/v1/tokens/count', async (route) => {
      if (route.request().postData()?.includes(OLD)) await new Promise((resolve) => setTimeout(resolve, HELD_MS));
      // The browser has dropped the held one by then.
      await route.continue().catch(() => {});
    });
    const sent = page.waitForRequest((request) => request.postData()?.includes(OLD) ?? false);
    await page.locator('#text').fill(OLD);
    await sent;
    await page.locator('#text').fill('new');
    await shows('#tokens', exactly(1));
    await page.waitForTimeout(HELD_MS + 300);
    expect(await read('#tokens')).toBe('1');
  });

  it('escapes HTML in texts', async () => {
    const text = `<img src=x onerror="document.title='owned'"> <script>document.title='owned'</script>`;
    await page.locator('#text').fill(text);
    await shows('#tokens', exactly(countTokens(text, 'gpt-4o')));
    expect(await read('#pieces')).toBe(text);
    expect(await page.locator('#pieces img, #pieces script').count()).toBe(0);
    expect(await page.title()).not.toContain('owned');
    expect(complaints).toEqual([]);
  });

  it('counts a long text without showing its tokens, and says so', async () => {
    const text = 'word '.repeat(100_000);
    await page.locator('#text').fill(text);
    await shows('#tokens', exactly(countTokens(text, 'gpt-4o')));
    expect(await page.locator('#pieces span').count()).toBe(0);
    expect(await read('#pieces-note')).toBe('The text is too long to show its tokens.');
  });

  it('shows an error if the server rejects the request or is down', async () => {
    await page.route('**/v1/tokens/count', (route) => route.continue({ postData: '{}' }));
    await page.locator('#text').fill('not what is sent');
    await shows('#note', /^model: must be a non-empty string/);
    expect(await read('#tokens')).toBe('–');
    await page.route('**/v1/tokens/count', (route) => route.abort());
    await page.locator('#text').fill('anyone there?');
    await shows('#note', /^The server does not answer\.$/);
  });

  it.each([
    ['light', PHONE],
    ['dark', PHONE],
    ['dark', DESKTOP],
  ] as const)('fits a %s screen of %j without scrolling sideways', async (colorScheme, size) => {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(size);
    await page.locator('#text').fill(`short, then ${'long'.repeat(200)} https://example.test/${'path/'.repeat(60)}`);
    await shows('#pieces', /longlong/);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(size.width);
    await picture(page, `${colorScheme}-${size.width}`);
  });

  it('can be used by keyboard, and labels every field', async () => {
    for (const name of ['Model', 'Text']) expect(await page.getByLabel(name, { exact: true }).count()).toBe(1);
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.id')).toBe('model');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.id')).toBe('text');
    expect(await page.getByRole('status').textContent()).toMatch(/\d+ tokens/);
  });
});
