import type { ConfigurationVersion } from '../../configuration/configuration-version.js';
import { html, type Html } from '../html.js';
import { countsPanel } from '../panels/token-counts.panel.js';
import { countersPanel, processPanel, recommendationsPanel } from '../panels/diagnostics.panel.js';
import { enginesPanel, featuresPanel } from '../panels/engines.panel.js';
import { configurationPanel } from '../panels/configuration.panel.js';
import { panelElements, titled, type PanelSet } from '../panels/panel.js';
import { guardrailsPanel } from '../panels/guardrails.panel.js';
import { poolPanel } from '../panels/pool.panel.js';
import { queuePanel } from '../panels/queue.panel.js';
import { comparisonPanel, operationsPanel } from '../panels/speed.panel.js';
import type { DashboardPage, PageRequest } from './page.js';

const CONFIGURATION: PanelSet = { configuration: titled('wide', 'configuration', 'Configuration', configurationPanel) };

const PANELS: PanelSet = {
  process: titled('half', 'process', 'Process', processPanel),
  counters: titled('half', 'counters', 'Counters since the start', countersPanel),
  recommendations: titled('wide', 'recommendations', 'Recommendations', recommendationsPanel),
  engines: titled('wide', 'engines', 'Engines and health', enginesPanel),
  operations: titled('most', 'operations', 'Routes, calls and engines, last window', operationsPanel),
  features: titled('least', 'features', 'Feature flags', featuresPanel),
  guardrails: titled('wide', 'guardrails', 'Guardrails', guardrailsPanel),
  pool: titled('half', 'pool', 'Connection pool', poolPanel),
  queue: titled('half', 'queue', 'Calls waiting for a deployment', queuePanel),
  counts: titled('half', 'counts', 'Token counts by model', countsPanel),
  comparison: titled('wide', 'comparison', 'Native and TypeScript compared', comparisonPanel),
};

/** Configuration, engines, flags, connections and measurements. */
export const diagnosticsPage: DashboardPage = {
  path: 'diagnostics',
  title: 'Diagnostics',
  isAvailable: () => true,
  panels: { ...CONFIGURATION, ...PANELS },
  async render(request) {
    const { services, base } = request;
    const snapshot = await services.feed.snapshot();
    return { body: html`${panelElements(CONFIGURATION, snapshot, base)}${reloadForm(request)}${panelElements(PANELS, snapshot, base)}` };
  },
  async submit({ services, actor }) {
    const { configuration, audit, log } = services;
    if (configuration === undefined) return { redirect: 'diagnostics', notice: 'This app has no configuration file.' };
    const before = configuration.current();
    const after = await configuration.reload('api');
    log.log(`Dashboard: configuration reloaded by ${actor.actor} (${actor.address ?? 'unknown address'}); version ${after.version}`);
    await audit?.record({ ...actor, action: 'reloaded', entity: 'configuration', entityId: String(after.version) });
    return { redirect: 'diagnostics', notice: reloadNotice(before, after) };
  },
};

/** Outside of the panel, which scripts fill anew. */
function reloadForm(request: PageRequest): Html | false {
  if (request.services.configuration === undefined) return false;
  const button = request.form('diagnostics', html`<button type="submit">Reload the configuration</button>`);
  return button !== false && html`<div class="wide actions">${button}</div>`;
}

function reloadNotice(before: ConfigurationVersion, after: ConfigurationVersion): string {
  if (before.version === after.version) return `The configuration is unchanged: version ${after.version} stays in use.`;
  return `Version ${after.version} of the configuration is in use, with ${after.changes.length} ${after.changes.length === 1 ? 'change' : 'changes'}.`;
}
