import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';

/** The browser that tests of pages run in. */
export const executablePath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';

const isInstalled = existsSync(executablePath);
if (!isInstalled) process.stderr.write(`no browser at ${executablePath} (CHROMIUM_PATH): the tests of the pages are skipped\n`);

/** `describe`, where there is a browser. */
export const describeInBrowser = isInstalled ? describe : describe.skip;

export const BROWSER_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** How long a busy machine may take to start a browser, or to show something. */
export const PATIENCE_MS = 60_000;

export const PHONE = { width: 390, height: 844 };
export const DESKTOP = { width: 1280, height: 900 };

/** Notes whatever the browser complains of, and every request that leaves the server. */
export function noteComplaints(page: Page, origin: string, complaints: string[]): void {
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(origin)) complaints.push(`went to ${request.url()}`);
  });
}

/** A screenshot for a person to look at, where `SCREENSHOTS` names a folder. */
export async function picture(page: Page, name: string): Promise<void> {
  if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}.png`), fullPage: true });
}
