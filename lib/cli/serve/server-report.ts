import type { FastLiteLLM } from '../../fast-litellm.js';
import type { RunningServer } from '../../serve/serve.server.js';
import { releaseGenaiPrices } from '../../token-counter/pricing/genai-prices.js';
import { settingFindings, unpricedModels } from '../doctor/deployment-findings.js';

/** Report of a started server for the first screen. Plain data, because workers send it. */
export interface ServerReport {
  readonly url: string;
  readonly hasDocs: boolean;
  readonly deployments: number;
  readonly groups: number;
  readonly uncallable: readonly { readonly id: string; readonly reason: string; readonly advice: string }[];
  /** Settings of the file without effect. */
  readonly settings: readonly { readonly detail: string; readonly advice: string }[];
  /** Models whose cost is not counted. */
  readonly unpriced: readonly string[];
  /** Further warnings that were logged during the start. */
  readonly warnings: readonly string[];
}

/** @param warnings that were logged during the start */
export function reportOf({ llm, url, hasDocs }: RunningServer, warnings: readonly string[]): ServerReport {
  const findings = findingsOf(llm, warnings);
  // The search for prices has loaded them; until a request needs them, the process is smaller.
  releaseGenaiPrices();
  return { url, hasDocs, ...findings };
}

/** The same of an app that does not listen. */
export function findingsOf(llm: FastLiteLLM, warnings: readonly string[]): Omit<ServerReport, 'url' | 'hasDocs'> {
  const states = llm.router.status();
  const settings = settingFindings(llm).flatMap(({ detail, advice = '' }) => (isOfOtherApps(detail) ? [] : [{ detail, advice }]));
  return {
    deployments: states.length,
    groups: new Set(states.map(({ group }) => group)).size,
    uncallable: states.flatMap(({ id, uncallable }) =>
      uncallable === undefined ? [] : [{ id, reason: uncallable.reason, advice: uncallable.remedy || 'change its entry in model_list' }],
    ),
    settings,
    unpriced: unpricedModels(llm.router.deployments()),
    warnings: warnings.filter((line) => !isOfRouter(line) && !isOfOtherApps(line) && !settings.some(({ detail }) => line.includes(detail))),
  };
}

/** Advice for apps with routes of their own: `serve` protects all of its routes. */
function isOfOtherApps(line: string): boolean {
  return line.includes("app's own routes");
}

/** Lists of deployments that cannot be called are shown one by one. */
function isOfRouter(line: string): boolean {
  return line.includes('cannot be called and get no requests');
}
