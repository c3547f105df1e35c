import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { UsageDetails } from '../../lib/common/token-cost.js';
import { PricingBook } from '../../lib/token-counter/pricing/pricing-book.js';
import { PRICE_DIFFERENCES } from './litellm-prices-differences.js';

// Compares every entry of LiteLLM's price file with LiteLLM's own calculator (fixtures/litellm/prices.py).

/** What is asked of each entry that has prices for it. */
export interface PriceUse {
  readonly name: string;
  readonly input: number;
  readonly output: number;
  readonly details: Readonly<Record<string, number>>;
  readonly tier: string | null;
  readonly time: string;
}

/** Entries with the same prices, and what LiteLLM charges for each use. */
export interface PriceRow {
  readonly models: readonly string[];
  readonly prices: Readonly<Record<string, unknown>>;
  /** `-`: the entry has no prices for this use; `null`: LiteLLM raises an error. */
  readonly costs: readonly (number | null | '-')[];
}

const DETAILS: Readonly<Record<string, keyof UsageDetails>> = {
  cacheRead: 'cacheReadTokens',
  cacheWrite: 'cacheWriteTokens',
  cacheWrite1h: 'cacheWrite1hTokens',
  reasoning: 'reasoningTokens',
  audioIn: 'inputAudioTokens',
  audioOut: 'outputAudioTokens',
  imageIn: 'inputImageTokens',
  imageOut: 'outputImageTokens',
};

const recorded = JSON.parse(gunzipSync(readFileSync(join(__dirname, '../fixtures/litellm/prices.json.gz'))).toString()) as {
  readonly uses: readonly PriceUse[];
  readonly rows: readonly PriceRow[];
};
const source = Object.fromEntries(recorded.rows.flatMap(({ models, prices }) => models.map((model) => [model, prices])));
const book = new PricingBook({ source }, 'tokenCounter.pricing');

/** Our cost by the file's prices alone. */
function costOf(model: string, { input, output, details, tier }: PriceUse): number | null {
  const named = Object.entries(details).map(([name, tokens]) => [DETAILS[name], tokens]);
  const serviceTier = tier === null || tier === 'rerank' ? {} : { serviceTier: tier };
  const priced = book.priced(input, output, model, { ...Object.fromEntries(named), ...serviceTier } as UsageDetails);
  return priced?.source === 'source' ? priced.usd : null;
}

function isSame(ours: number | null, theirs: number | null): boolean {
  return ours === null || theirs === null ? ours === theirs : Math.abs(ours - theirs) <= 1e-12 + theirs * 1e-8;
}

describe("LiteLLM's price file", () => {
  const compared = new Map<string, number>();
  const used = new Map<string, Set<string>>();

  beforeAll(() => jest.useFakeTimers());
  afterAll(() => jest.useRealTimers());

  it.each(recorded.uses.map((use, at) => [use.name, use, at] as const))('costs as much as in LiteLLM: %s', (name, use, at) => {
    jest.setSystemTime(new Date(use.time));
    const found: string[] = [];
    let rows = 0;
    for (const row of recorded.rows) {
      const theirs = row.costs[at];
      if (theirs === undefined || theirs === '-') continue;
      rows++;
      for (const model of row.models) {
        const ours = costOf(model, use);
        if (isSame(ours, theirs)) continue;
        const wanted = PRICE_DIFFERENCES.find(({ applies }) => applies(row, use, ours, theirs));
        if (wanted === undefined) found.push(`${model}: ${ours}, LiteLLM ${theirs}`);
        else used.set(wanted.reason, (used.get(wanted.reason) ?? new Set()).add(model));
      }
    }
    compared.set(name, rows);
    expect(found).toEqual([]);
  });

  it('is compared in whole', () => {
    expect(Object.keys(source).length).toBeGreaterThan(4_800);
    expect(compared.get('text')).toBe(recorded.rows.length);
    expect([...compared].filter(([, rows]) => rows === 0)).toEqual([]);
  });

  it('differs for the reasons in the guide, each for as many models as it says', () => {
    const guide = readFileSync(join(__dirname, '../../docs/token-counting.md'), 'utf8');
    const [, table = ''] = /^\| costs that differ from LiteLLM's .*\n.*\n((?:\|.*\n)+)/m.exec(guide) ?? [];
    const listed = [...table.matchAll(/^\| (.+?) +\| +([\d,]+) \|$/gm)].map(([, reason, models]) => [
      reason,
      Number(models.replace(',', '')),
    ]);
    expect(PRICE_DIFFERENCES.map(({ reason }) => [reason, used.get(reason)?.size ?? 0])).toEqual(listed);
  });
});
