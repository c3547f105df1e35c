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

/**
 * Texts with too little contrast by WCAG's formula. A string, because the page's policy forbids
 * injected scripts.
 */
export const FAINT_TEXTS = `(() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const linear = (value) => { const c = value / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const groundOf = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const [r, g, b, alpha = 1] = channels(getComputedStyle(at).backgroundColor);
      if (alpha > 0) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { parentElement: node, textContent } = walker.currentNode;
    if (textContent.trim() === '' || !node.checkVisibility() || node.closest('script, .unseen')) continue;
    const [ink, ground] = [luminance(channels(getComputedStyle(node).color)), luminance(groundOf(node))];
    const contrast = (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
    if (contrast < 4.5) found.push(textContent.trim() + ' ' + contrast.toFixed(2));
  }
  return found;
})()`;

/** Cells of a row, tiles and links of which one covers another, and texts wider than their box. */
export const OVERLAPS = `(() => {
  const found = [];
  for (const parent of document.querySelectorAll('tr, .tiles, .pages ul, .facts, .controls, .head, .top, .fields, .field, .actions, .deeds li')) {
    const all = [...parent.children].map((each) => [each, each.getBoundingClientRect()]);
    const boxes = all.filter(([, box]) => box.width > 1 && box.height > 1);
    boxes.forEach(([a, one], at) => boxes.slice(at + 1).forEach(([b, other]) => {
      const x = Math.min(one.right, other.right) - Math.max(one.left, other.left);
      const y = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
      if (x > 1 && y > 1) found.push(a.textContent.trim().slice(0, 40) + ' | ' + b.textContent.trim().slice(0, 40));
    }));
  }
  for (const each of document.querySelectorAll('td, th, dd, dt, li, p, button'))
    if (each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 1 && !each.matches('.unseen, .unseen *'))
      found.push('wider than its box: ' + each.textContent.trim().slice(0, 60));
  return found;
})()`;
