import type { DashboardSnapshot } from '../dashboard.snapshot.js';
import type { EndpointState } from '../dashboard.source.js';
import { count } from '../number-format.js';
import { html, type Html } from '../html.js';
import { badge, bar } from './panel.js';

/** Connections by origin. */
export function poolPanel({ pool }: DashboardSnapshot): Html | undefined {
  if (pool === null) return undefined;
  const { leased, idle, waiting, maxConnections, endpoints } = pool;
  const head = html`<div class="head">
      <span><strong>${count(leased)}</strong> in use, <strong>${count(idle)}</strong> idle of ${count(maxConnections)}</span>
      ${waiting > 0 ? badge('warn', `${count(waiting)} waiting`) : badge('plain', 'none waiting')}
    </div>
    ${occupancy(leased, idle, maxConnections)}`;
  if (endpoints.length === 0)
    return html`${head}
      <p class="nothing">No connection is open.</p>`;
  return html`${head}
    <ul class="endpoints">
      ${endpoints.map(endpointRow)}
    </ul>`;
}

function endpointRow({ origin, leased, idle, waiting, maxConnections: max }: EndpointState): Html {
  return html`<li>
    <div class="head">
      <code>${origin}</code>
      <span class="figure"
        >${count(leased)} in use, ${count(idle)} idle of ${count(max)}${waiting > 0 && `, ${count(waiting)} waiting`}</span
      >
    </div>
    ${occupancy(leased, idle, max)}
  </li>`;
}

function occupancy(leased: number, idle: number, max: number): Html {
  const part = (value: number): number => (max > 0 ? (value / max) * 100 : 0);
  return bar([
    { kind: leased >= max ? 'full' : 'used', percentage: part(leased) },
    { kind: 'idle', percentage: part(idle) },
  ]);
}
