import type { CapabilityHealth } from '../../common/capability.js';
import type { EngineState } from '../../engine/engine-choice.js';
import type { DashboardSnapshot } from '../dashboard.snapshot.js';
import { count, NONE, words } from '../number-format.js';
import { html, type Html, type Part } from '../html.js';
import { badge, figure, table } from './panel.js';

const ENGINES = { native: 'Rust', typescript: 'TypeScript' } as const;
const HEALTH = { ok: 'good', degraded: 'warn', down: 'bad' } as const;

/** By capability: engine, health, and the reason. */
export function enginesPanel({ engines, health: { components } }: DashboardSnapshot): Html | undefined {
  const states = new Map(engines.map((state) => [state.capability, state]));
  const rows = [...new Set([...states.keys(), ...Object.keys(components)])].map((capability) => {
    const { engine, status, reason }: Partial<CapabilityHealth> = components[capability] ?? {};
    const state: Partial<EngineState> = states.get(capability) ?? {};
    const { active = 'typescript', nativeErrors = 0, shadow = { runs: 0, differences: 0 } } = state;
    return [
      html`${words(capability)}`,
      badge('plain', ENGINES[engine ?? active]),
      status === undefined ? html`${NONE}` : badge(HEALTH[status], status),
      html`${nativeErrors === 0 ? '0' : html`<strong class="bad">${count(nativeErrors)}</strong>`}`,
      html`${count(shadow.runs)}${shadow.differences > 0 && html` <strong class="bad">(${count(shadow.differences)} differ)</strong>`}`,
      html`<span class="note">${reason ?? state.reason}</span>`,
    ];
  });
  const columns = [{ label: 'Capability' }, { label: 'Engine' }, { label: 'Health' }, figure('Errors'), figure('Shadow runs')];
  return table('Engines by capability', [...columns, { label: 'Why', isLong: true }], rows);
}

/** Lets a narrow screen break a name between its words. */
function breakable(name: string): Part {
  return name.split('_').map((word, at): Part => [at > 0 && html`_<wbr />`, word]);
}

/** Feature flags. */
export function featuresPanel({ features }: DashboardSnapshot): Html | undefined {
  const rows = Object.entries(features).map(([name, { state, breaker, enabled, errorCount, errorThreshold }]) => [
    html`<code>${breakable(name)}</code>`,
    breaker !== 'closed'
      ? badge('bad', breaker === 'open' ? 'tripped' : 'half-open')
      : badge(enabled ? 'good' : state === 'shadow' ? 'warn' : 'plain', state),
    html`${count(errorCount)} of ${count(errorThreshold)}`,
  ]);
  if (rows.length === 0) return undefined;
  return table('Feature flags', [{ label: 'Feature' }, { label: 'State' }, figure('Errors')], rows);
}
