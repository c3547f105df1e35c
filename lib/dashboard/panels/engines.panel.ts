import type { CapabilityHealth } from '../../common/capability.js';
import type { DashboardSnapshot } from '../dashboard.snapshot.js';
import { count, NONE, words } from '../figures.js';
import { html, type Html, type Part } from '../html.js';
import { badge, nothing, table } from './panel.js';

const ENGINES = { native: 'Rust', typescript: 'TypeScript' } as const;
const HEALTH = { ok: ['good', 'ok'], degraded: ['warn', 'degraded'], down: ['bad', 'down'] } as const;

/** By capability: engine, health, and the reason. */
export function enginesPanel({ engines, health: { components } }: DashboardSnapshot): Html {
  const rows = engines.map(({ capability, active, reason, nativeErrors, shadow }) => [
    html`${words(capability)}`,
    badge('plain', ENGINES[components[capability]?.engine ?? active]),
    healthCell(components[capability]),
    html`${nativeErrors === 0 ? '0' : html`<strong class="bad">${count(nativeErrors)}</strong>`}`,
    html`${count(shadow.runs)}${shadow.differences > 0 && html` <strong class="bad">(${count(shadow.differences)} differ)</strong>`}`,
    html`<span class="note">${components[capability]?.reason ?? reason}</span>`,
  ]);
  const others = Object.entries(components).filter(([name]) => !engines.some(({ capability }) => capability === name));
  const columns = [
    { label: 'Capability' },
    { label: 'Engine' },
    { label: 'Health' },
    { label: 'Errors', isFigure: true },
    { label: 'Shadow runs', isFigure: true },
    { label: 'Why', isLong: true },
  ];
  const plain = others.map(([name, health]) => [
    html`${words(name)}`,
    badge('plain', ENGINES[health.engine]),
    healthCell(health),
    html`0`,
    html`0`,
    html`<span class="note">${health.reason}</span>`,
  ]);
  return table('Engines by capability', columns, [...rows, ...plain]);
}

function healthCell(health: CapabilityHealth | undefined): Html {
  if (health === undefined) return html`${NONE}`;
  const [kind, text] = HEALTH[health.status];
  return badge(kind, text);
}

/** Lets a narrow screen break a name between its words. */
function breakable(name: string): Part {
  return name.split('_').map((word, at): Part => [at > 0 && html`_<wbr />`, word]);
}

/** Feature flags. */
export function featuresPanel({ features }: DashboardSnapshot): Html {
  const rows = Object.entries(features).map(([name, { state, breaker, enabled, errorCount, errorThreshold }]) => [
    html`<code>${breakable(name)}</code>`,
    breaker !== 'closed'
      ? badge('bad', breaker === 'open' ? 'tripped' : 'half-open')
      : badge(enabled ? 'good' : state === 'shadow' ? 'warn' : 'plain', state),
    html`${count(errorCount)} of ${count(errorThreshold)}`,
  ]);
  if (rows.length === 0) return nothing('No flags.');
  return table('Feature flags', [{ label: 'Feature' }, { label: 'State' }, { label: 'Errors', isFigure: true }], rows);
}
