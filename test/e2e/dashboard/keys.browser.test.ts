import { chromium, type Browser, type Page } from 'playwright-core';
import {
  BROWSER_FLAGS,
  describeInBrowser,
  executablePath,
  FAINT_TEXTS,
  noteComplaints,
  OVERLAPS,
  PATIENCE_MS,
  PHONE,
  picture,
} from '../../support/browser.js';
import { KeysConsole, MASTER_KEY, SECRET } from '../../support/keys-console.js';
import { stopProviders } from '../../support/llm-client-providers.js';
import { isComplete } from '../../support/long.js';
import { MemoryKeyStore } from '../../support/memory-key-store.js';

const WIDE = { width: 1400, height: 900 };
const LONG = 'an-alias-with-a-very-long-name-that-no-column-of-a-phone-has-room-for';

describeInBrowser('the keys page, in a browser', () => {
  let app: KeysConsole;
  let browser: Browser;
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    const configured = [{ key: 'sk-from-the-configuration-0123', alias: 'ci-runner' }];
    app = await KeysConsole.start('Fastify', { store: new MemoryKeyStore(), configured });
    const limits = { requestsPerMinute: 600, tokensPerMinute: 1_000_000, maxConcurrent: 20, usdPerWindow: 50, usdWindow: '30d' };
    for (let at = 0; at < 28; at++)
      await app.keys.create({ alias: `service-${at}`, team: 'search', user: 'someone@example.com', ...(at % 2 && { limits }) });
    const expiresAt = new Date(Date.now() + 86_400_000).toISOString();
    const { key } = await app.keys.create({ alias: LONG, limits, expiresAt, models: ['gpt-4o'], metadata: { text: 'x'.repeat(200) } });
    await app.chat(key);
    await app.keys.create({ alias: 'stopped', blocked: true });
    browser = await chromium.launch({ executablePath, args: BROWSER_FLAGS, timeout: PATIENCE_MS });
  });
  afterAll(async () => {
    await browser?.close();
    await app.stop();
    await stopProviders();
  });
  afterEach(() => page.context().close());

  async function open(options: Parameters<Browser['newContext']>[0] = {}): Promise<void> {
    page = await (await browser.newContext({ viewport: WIDE, ...options })).newPage();
    noteComplaints(page, app.gateway.url, complaints);
    await page.goto(app.url);
    await page.getByLabel('Token', { exact: true }).fill(MASTER_KEY);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor({ timeout: PATIENCE_MS });
    await page.goto(`${app.url}/keys`);
    // A browser reports the status 401 of the log-in page as an error.
    complaints.length = 0;
  }

  /** Presses Tab until the element has the focus. */
  async function tabTo(selector: string): Promise<void> {
    for (let presses = 0; presses < 100; presses++) {
      await page.keyboard.press('Tab');
      if (await page.evaluate(`document.activeElement.matches(${JSON.stringify(selector)})`)) return;
    }
    throw new Error(`Tab does not reach ${selector}`);
  }
  const heading = (name: string) => page.getByRole('heading', { level: 1, name }).waitFor({ timeout: PATIENCE_MS });
  const press = async (selector: string): Promise<void> => {
    await tabTo(selector);
    await page.keyboard.press('Enter');
  };

  const look = async (name: string): Promise<void> => {
    await picture(page, `keys-${name}`);
    const { width } = page.viewportSize()!;
    expect([name, await page.evaluate('document.documentElement.scrollWidth')]).toEqual([name, width]);
    expect([name, await page.evaluate(FAINT_TEXTS)]).toEqual([name, []]);
    expect([name, await page.evaluate(OVERLAPS)]).toEqual([name, []]);
  };

  const screens = [
    ['light', WIDE],
    ['dark', PHONE],
    ['light', PHONE],
    ['dark', WIDE],
  ] as const;
  it.each(isComplete ? screens : screens.slice(0, 2))(
    'creates, edits, blocks, rotates and deletes a key with the keyboard only, on a %s screen of %j',
    async (colorScheme, viewport) => {
      await open({ colorScheme, viewport });
      const suffix = `${colorScheme}-${viewport.width}`;
      const alias = `made-${suffix}`;
      await look(`list-${suffix}`);
      await press('a[href="key?view=new"]');
      await heading('New API key');
      await look(`new-${suffix}`);

      // Invalid at first: the focus is in the first field that is wrong, and the input is kept.
      await tabTo('[name="key_alias"]');
      await page.keyboard.type(alias);
      await tabTo('[name="rpm_limit"]');
      await page.keyboard.type('many');
      await tabTo('summary');
      await page.keyboard.press('Enter');
      await tabTo('[name="metadata"]');
      await page.keyboard.type('plan: trial');
      await press('button[value="create"]');
      await page.locator('.failures').waitFor({ timeout: PATIENCE_MS });
      await look(`invalid-${suffix}`);
      expect(await page.evaluate('document.activeElement.name')).toBe('rpm_limit');
      expect(await page.inputValue('[name="key_alias"]')).toBe(alias);
      await page.keyboard.press('ControlOrMeta+A');
      await page.keyboard.type('60');
      await tabTo('[name="metadata"]');
      await page.keyboard.press('ControlOrMeta+A');
      await page.keyboard.type('{"plan": "trial"}');
      await press('button[value="create"]');

      await heading(`Secret of ${alias}`);
      await look(`secret-${suffix}`);
      expect(await page.evaluate('document.activeElement.id')).toBe('secret');
      const secret = await page.inputValue('#secret');
      expect(secret).toMatch(SECRET);
      expect(await app.chat(secret)).toBe(200);
      const { publicId } = (await app.keys.findByAlias(alias))!;
      await press(`a[href="key?id=${publicId}"]`);
      await heading(alias);
      await look(`key-${suffix}`);
      expect(await page.content()).not.toContain(secret);

      await press('a[href$="view=edit"]');
      await heading(`Edit ${alias}`);
      expect(await page.inputValue('[name="rpm_limit"]')).toBe('60');
      await look(`edit-${suffix}`);
      await tabTo('[name="max_budget"]');
      await page.keyboard.type('5');
      await page.keyboard.press('Enter');
      await page.getByText(`${alias} was saved.`).waitFor({ timeout: PATIENCE_MS });
      expect(await app.keys.find(publicId)).toMatchObject({ limits: { requestsPerMinute: 60, usdTotal: 5 }, metadata: { plan: 'trial' } });

      await press('button[value="block"]');
      await page.getByText(`${alias} was blocked.`).waitFor({ timeout: PATIENCE_MS });
      await look(`blocked-${suffix}`);
      await press('a[href$="view=rotate"]');
      await heading(`Rotate ${alias}`);
      await look(`rotate-${suffix}`);
      await tabTo('[name="grace_period"]');
      await page.keyboard.type('1h');
      await page.keyboard.press('Enter');
      await heading(`Secret of ${alias}`);
      expect(await page.inputValue('#secret')).not.toBe(secret);
      await press(`a[href="key?id=${publicId}"]`);
      await heading(alias);
      await press('a[href$="view=delete"]');
      await heading(`Delete ${alias}?`);
      await look(`delete-${suffix}`);
      await press('button.danger');
      await page.getByText(`${alias} was deleted.`).waitFor({ timeout: PATIENCE_MS });
      expect(await app.keys.find(publicId)).toBeUndefined();
      // The browser reports the status 400 of the invalid form.
      expect(complaints.filter((line) => !line.includes('400'))).toEqual([]);
    },
    120_000,
  );

  it.each([WIDE, PHONE])('shows a long key, searches and turns pages, on a screen of %j', async (viewport) => {
    await open({ viewport });
    await page.getByRole('link', { name: 'Next' }).click();
    await page.getByText('26 to 31 of 31 keys').waitFor({ timeout: PATIENCE_MS });
    await look(`second-${viewport.width}`);
    await page.getByLabel('Alias or id').fill('AN-ALIAS');
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: LONG }).click();
    await heading(LONG);
    await look(`long-${viewport.width}`);
    expect(complaints).toEqual([]);
  });

  it('copies a secret, and creates no second key when the answer is reloaded', async () => {
    await open();
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.goto(`${app.url}/key?view=new`);
    await page.getByLabel('Alias').fill('copied');
    await page.getByRole('button', { name: 'Create the key' }).click();
    await page.getByRole('button', { name: 'Copy' }).click();
    await page.getByRole('button', { name: 'Copied' }).waitFor({ timeout: PATIENCE_MS });
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(await page.inputValue('#secret'));
    const { total } = await app.keys.search();
    await page.reload();
    await page.getByText('This form has already created its key').waitFor({ timeout: PATIENCE_MS });
    expect(await page.content()).not.toMatch(SECRET);
    expect((await app.keys.search()).total).toBe(total);
  });

  it('works without JavaScript', async () => {
    await open({ javaScriptEnabled: false, viewport: PHONE });
    await page.getByRole('link', { name: 'Create a key' }).click();
    await page.getByLabel('Alias').fill('plain');
    await page.getByRole('button', { name: 'Create the key' }).click();
    await heading('Secret of plain');
    expect(await page.inputValue('#secret')).toMatch(SECRET);
    expect(await page.getByRole('button', { name: 'Copy' }).count()).toBe(0);
    await page.getByRole('link', { name: 'Continue to the key' }).click();
    await page.getByRole('button', { name: 'Block' }).click();
    await page.getByText('plain was blocked.').waitFor({ timeout: PATIENCE_MS });
    await page.getByRole('link', { name: 'Delete' }).click();
    await page.getByRole('button', { name: 'Delete the key' }).click();
    await page.getByText('plain was deleted.').waitFor({ timeout: PATIENCE_MS });
  });
});
