import { join } from 'node:path';
import { chromium, type Browser } from 'playwright-core';
import { BROWSER_FLAGS, describeInBrowser, executablePath, PATIENCE_MS } from '../../support/browser.js';
import { root } from '../../project/sources.js';
import { SampleGateway } from '../sample-app/sample-gateway.js';

/** `README_PICTURE=1`: sends 75 seconds of traffic and writes the picture of the README. */
const isWritten = process.env.README_PICTURE === '1';
const PICTURE = join(root, 'docs/images/dashboard.png');
const TRAFFIC_MS = 75_000;

jest.setTimeout(TRAFFIC_MS + 60_000);

describeInBrowser('the dashboard of the sample gateway, in a browser', () => {
  let gateway: SampleGateway;
  let browser: Browser;

  beforeAll(async () => {
    gateway = await SampleGateway.start();
    browser = await chromium.launch({ executablePath, args: BROWSER_FLAGS, timeout: PATIENCE_MS });
  });
  afterAll(async () => {
    await browser?.close();
    await gateway.stop();
  });

  it('shows model groups and routes after traffic, as in the README', async () => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 960 }, colorScheme: 'light' });
    await page.goto(`${gateway.url}/dashboard`);
    const endMs = Date.now() + (isWritten ? TRAFFIC_MS : 0);
    do {
      await send(gateway);
      if (isWritten) await new Promise((resolve) => setTimeout(resolve, 500));
    } while (Date.now() < endMs);
    for (const text of ['gpt-4o-mini', 'POST /v1/chat/completions']) {
      await page.getByText(text).first().waitFor({ state: 'attached', timeout: PATIENCE_MS });
    }
    if (!isWritten) return;
    const route = await page.locator('#series option', { hasText: 'POST /v1/chat/completions' }).first().getAttribute('value');
    await page.getByRole('combobox', { name: 'Operation' }).selectOption(route);
    await page.waitForTimeout(3000);
    await page.screenshot({ path: PICTURE });
  });
});

/** A few requests of each kind, below the limits of an address. */
async function send(gateway: SampleGateway): Promise<void> {
  await Promise.all([
    gateway.chat(),
    gateway.chat({ stream: true }),
    gateway.post('/v1/embeddings', { model: 'text-embedding-3-small', input: 'Hello' }),
    gateway.post('/v1/tokens/count', { model: 'gpt-4o', input: 'Hello world' }),
  ]);
}
