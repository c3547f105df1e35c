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
import { ConsoleApp, MASTER_KEY } from '../../support/console-app.js';
import { isComplete } from '../../support/long.js';
import { stopProviders, testProvider } from '../../support/llm-client-providers.js';

const WIDE = { width: 1400, height: 900 };
const SECRET = 'sk-secret-of-the-browser-0123456789';

describeInBrowser('the models page, in a browser', () => {
  let app: ConsoleApp;
  let browser: Browser;
  let page: Page;
  let apiBase: string;
  const complaints: string[] = [];

  beforeAll(async () => {
    app = await ConsoleApp.start('Fastify');
    apiBase = (await testProvider('openai', { script: 'Hello.' })).apiBase;
    await app.exercise();
    browser = await chromium.launch({ executablePath, args: BROWSER_FLAGS, timeout: PATIENCE_MS });
  });
  afterAll(async () => {
    await browser?.close();
    await app.stop();
    await stopProviders();
  });

  async function open(options: Parameters<Browser['newContext']>[0] = {}): Promise<void> {
    page = await (await browser.newContext({ viewport: WIDE, ...options })).newPage();
    noteComplaints(page, app.gateway.url, complaints);
    await page.goto(app.url);
    await page.getByLabel('Token', { exact: true }).fill(MASTER_KEY);
    await page.keyboard.press('Enter');
    await page.locator('#attention').waitFor({ timeout: PATIENCE_MS });
    // A browser reports the status 401 of the log-in page as an error.
    complaints.length = 0;
  }
  afterEach(() => page.context().close());

  /** Presses Tab until the element has the focus. */
  async function tabTo(selector: string): Promise<void> {
    for (let presses = 0; presses < 100; presses++) {
      await page.keyboard.press('Tab');
      if (await page.evaluate(`document.activeElement.matches(${JSON.stringify(selector)})`)) return;
    }
    throw new Error(`Tab does not reach ${selector}`);
  }

  const look = async (name: string): Promise<void> => {
    await picture(page, name);
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
    'adds, tests, edits, disables and deletes a model with the keyboard only, on a %s screen of %j',
    async (colorScheme, viewport) => {
      await open({ colorScheme, viewport });
      const suffix = `${colorScheme}-${viewport.width}`;
      const name = `added ${suffix}`;
      await page.goto(`${app.url}/models`);
      await look(`models-list-${suffix}`);
      await tabTo('a[href="model-new"]');
      await page.keyboard.press('Enter');
      await page.waitForURL(/model-new$/);
      await look(`models-new-${suffix}`);
      // Invalid at first: the focus is in the first field that is wrong.
      await tabTo('[name="model_name"]');
      await page.keyboard.type(name);
      await tabTo('[name="litellm_params.model"]');
      await page.keyboard.type('openai/gpt-4o');
      await tabTo('[name="litellm_params.api_key"]');
      await page.keyboard.type(SECRET);
      await tabTo('[name="litellm_params.api_base"]');
      await page.keyboard.type(apiBase);
      await tabTo('summary');
      await page.keyboard.press('Enter');
      await tabTo('[name="litellm_params.rpm"]');
      await page.keyboard.type('many');
      await page.keyboard.press('Enter');
      await page.locator('.failures').waitFor({ timeout: PATIENCE_MS });
      await look(`models-invalid-${suffix}`);
      expect(await page.evaluate('document.activeElement.name')).toBe('litellm_params.api_key');
      expect(await page.locator('[aria-invalid]').evaluateAll((all: readonly { name: string }[]) => all.map((each) => each.name))).toEqual([
        'litellm_params.api_key',
        'litellm_params.rpm',
      ]);
      expect(await page.inputValue('[name="model_name"]')).toBe(name);
      expect(await page.content()).not.toContain(SECRET);
      await page.keyboard.type(SECRET);
      await tabTo('[name="litellm_params.rpm"]');
      await page.keyboard.press('ControlOrMeta+A');
      await page.keyboard.type('50');
      await page.keyboard.press('Enter');
      await page.getByText(`${name} was added`).waitFor({ timeout: PATIENCE_MS });
      await look(`models-added-${suffix}`);
      await tabTo('.deeds button');
      await page.keyboard.press('Enter');
      await page.getByText('It answered').waitFor({ timeout: PATIENCE_MS });
      await look(`models-tested-${suffix}`);
      await tabTo('a[href^="model-edit"]');
      await page.keyboard.press('Enter');
      await page.waitForURL(/model-edit/);
      expect(await page.inputValue('[name="litellm_params.rpm"]')).toBe('50');
      expect(await page.inputValue('[name="litellm_params.api_key"]')).toBe('');
      await look(`models-edit-${suffix}`);
      await tabTo('[name="litellm_params.rpm"]');
      await page.keyboard.press('ControlOrMeta+A');
      await page.keyboard.type('60');
      await page.keyboard.press('Enter');
      await page.getByText(`${name} was changed`).waitFor({ timeout: PATIENCE_MS });
      await page.getByRole('button', { name: 'Disable' }).press('Enter');
      await page.getByText(`${name} was disabled`).waitFor({ timeout: PATIENCE_MS });
      await look(`models-disabled-${suffix}`);
      await tabTo('a[href^="model-delete"]');
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { level: 1, name: `Delete ${name}?` }).waitFor({ timeout: PATIENCE_MS });
      await look(`models-delete-${suffix}`);
      await tabTo('button.danger');
      await page.keyboard.press('Enter');
      await page.getByText(`${name} was deleted`).waitFor({ timeout: PATIENCE_MS });
      expect(await page.locator('#deployments').textContent()).not.toContain(name);
      // The browser reports the status 400 of the invalid form.
      expect(complaints.filter((line) => !line.includes('400'))).toEqual([]);
    },
  );

  it('works without JavaScript', async () => {
    page = await (await browser.newContext({ viewport: PHONE, javaScriptEnabled: false })).newPage();
    await page.goto(app.url);
    await page.getByLabel('Token', { exact: true }).fill(MASTER_KEY);
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'Models' }).click();
    await page.getByRole('link', { name: 'Add a model' }).click();
    await page.getByLabel('Model group').fill('plain');
    await page.getByLabel('Provider and model').fill('openai/gpt-4o');
    await page.getByRole('textbox', { name: 'Address' }).fill('http://10.1.2.3/v1');
    await page.getByRole('textbox', { name: 'API key' }).fill(SECRET);
    await page.getByRole('button', { name: 'Add the model' }).click();
    expect(await page.locator('#field-litellm_params\\.api_base-error').textContent()).toMatch(/^Must be a public address/);
    await page.getByRole('textbox', { name: 'Address' }).fill(apiBase);
    await page.getByRole('textbox', { name: 'API key' }).fill(SECRET);
    await page.getByRole('button', { name: 'Add the model' }).click();
    await page.getByText('plain was added').waitFor({ timeout: PATIENCE_MS });
    await page.getByRole('link', { name: 'Delete…' }).click();
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByText('plain was deleted').waitFor({ timeout: PATIENCE_MS });
  });

  it('leads from a deployment of the file to where it is defined', async () => {
    await open();
    await page.goto(`${app.url}/models`);
    await page.getByRole('link', { name: 'gpt-4o-east' }).click();
    await page.getByText(`This deployment is defined in ${app.configPath}`).waitFor({ timeout: PATIENCE_MS });
    await look('models-file');
    await page.getByRole('button', { name: 'Test' }).click();
    await page.getByText('It answered').waitFor({ timeout: PATIENCE_MS });
    expect(complaints).toEqual([]);
  });
});
