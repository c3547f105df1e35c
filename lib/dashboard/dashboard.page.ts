import type { DashboardSnapshot } from './dashboard.snapshot.js';
import { html, Html } from './html.js';
import { enginesPanel, featuresPanel } from './panels/engines.panel.js';
import { countsPanel } from './panels/counts.panel.js';
import { budgetsPanel, spendingPanel } from './panels/money.panel.js';
import { deploymentsPanel } from './panels/deployments.panel.js';
import { keysPanel } from './panels/keys.panel.js';
import { limitsPanel } from './panels/limits.panel.js';
import { overviewPanel, processPanel, recommendationsPanel, statusPanel } from './panels/overview.panel.js';
import { poolPanel } from './panels/pool.panel.js';
import { queuePanel } from './panels/queue.panel.js';
import { comparisonPanel, operationsPanel } from './panels/speed.panel.js';

/** The panels of the page, by the id of their element. */
const PANELS = {
  status: statusPanel,
  process: processPanel,
  overview: overviewPanel,
  recommendations: recommendationsPanel,
  comparison: comparisonPanel,
  operations: operationsPanel,
  deployments: deploymentsPanel,
  limits: limitsPanel,
  budgets: budgetsPanel,
  spending: spendingPanel,
  pool: poolPanel,
  queue: queuePanel,
  counts: countsPanel,
  keys: keysPanel,
  engines: enginesPanel,
  features: featuresPanel,
} as const satisfies Readonly<Record<string, (snapshot: DashboardSnapshot) => Html>>;

type PanelName = keyof typeof PANELS;
export type RenderedPanels = Readonly<Record<PanelName, string>>;

export function renderPanels(snapshot: DashboardSnapshot): RenderedPanels {
  const rendered = Object.entries(PANELS).map(([name, render]) => [name, render(snapshot).text]);
  return Object.fromEntries(rendered) as RenderedPanels;
}

/** Input of the page. */
export interface PageContext {
  readonly title: string;
  /** Prefix of links, which are relative because a proxy may strip a part of the path. */
  readonly base: string;
  /** Whether there is a session to log out of. */
  readonly isGuarded: boolean;
  /** Whether there are pages about spend. */
  readonly hasSpending?: boolean;
}

/** The whole page with current figures. Without JavaScript it is static and has no plots. */
export function renderPage(snapshot: DashboardSnapshot, { title, base, isGuarded, hasSpending }: PageContext): string {
  const panels = renderPanels(snapshot);
  const panel = (name: PanelName): Html => html`<div id="${name}">${new Html(panels[name])}</div>`;
  return renderDocument(
    title,
    base,
    html`<a class="skip" href="#main">Skip to the figures</a>
      <header class="top">
        <div>
          <h1>${title}</h1>
          <p id="process" class="note">${new Html(panels.process)}</p>
        </div>
        <div class="state">
          <span id="status" role="status">${new Html(panels.status)}</span>
          <span id="live" class="live" data-state="still">Not live</span>
          ${hasSpending === true && html`<a href="${base}spending">Spending</a>`}
          ${isGuarded && html`<form method="post" action="${base}logout"><button type="submit">Log out</button></form>`}
        </div>
      </header>
      <main id="main" data-events="${base}events" data-version="${snapshot.version}">
        <section class="wide" aria-labelledby="overview-title">
          <h2 id="overview-title" class="unseen">At a glance</h2>
          ${panel('overview')}
        </section>
        <section class="card most" id="plots" aria-labelledby="plots-title">
          <div class="head">
            <h2 id="plots-title">Latency and calls</h2>
            <label class="choose" hidden
              >Operation
              <select id="series"></select
            ></label>
          </div>
          <div id="latency" class="plot tall" role="img" aria-label="Latency over time"></div>
          <div id="calls" class="plot" role="img" aria-label="Calls per second over time"></div>
          <p id="plots-note" class="nothing">Plots need JavaScript; the table of operations shows the same figures for the last window.</p>
        </section>
        ${card('recommendations', 'Recommendations', 'least', panel('recommendations'))}
        ${card('deployments', 'Deployments', 'wide', panel('deployments'))} ${card('pool', 'Connection pool', 'half', panel('pool'))}
        ${card('limits', 'Limits nearest to exhaustion', 'half', panel('limits'))}
        ${card('budgets', 'Budgets nearest to exhaustion', 'half', panel('budgets'))}
        ${card('spending', 'Spending by model group', 'half', panel('spending'))}
        ${card('queue', 'Calls waiting for a deployment', 'half', panel('queue'))}
        ${card('counts', 'Token counts by model', 'half', panel('counts'))}
        ${snapshot.keys !== null && card('keys', 'API keys, most recently used first', 'wide', panel('keys'))}
        ${card('operations', 'Routes, calls and engines, last window', 'most', panel('operations'))}
        ${card('features', 'Feature flags', 'least', panel('features'))}
        ${card('comparison', 'Native and TypeScript compared', 'wide', panel('comparison'))}
        ${card('engines', 'Engines and health', 'wide', panel('engines'))}
      </main>`,
    ['uplot.js', 'app.js'],
  );
}

/** The log-in form. */
export function renderLogin({ title, base }: PageContext, failure?: string): string {
  return renderDocument(
    title,
    base,
    html`<main class="login">
      <form class="card" method="post" action="${base}login">
        <h1>${title}</h1>
        <p class="note">Enter the dashboard token: its option <code>token</code>.</p>
        <label for="token">Token</label>
        <input id="token" name="token" type="password" autocomplete="current-password" required autofocus />
        ${failure !== undefined && html`<p class="failure" role="alert">${failure}</p>`}
        <button type="submit">Log in</button>
      </form>
    </main>`,
    [],
  );
}

function card(name: string, title: string, width: 'most' | 'least' | 'half' | 'wide', body: Html): Html {
  return html`<section class="card ${width} of-${name}" aria-labelledby="${name}-title">
    <h2 id="${name}-title">${title}</h2>
    ${body}
  </section>`;
}

/** A page of the dashboard. */
export function renderDocument(title: string, base: string, body: Html, scripts: readonly string[]): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="robots" content="noindex" />
        <title>${title} · nestjs-fast-litellm</title>
        <link rel="icon" href="${base}icon.svg" type="image/svg+xml" />
        ${scripts.length > 0 && html`<link rel="stylesheet" href="${base}uplot.css" />`}
        <link rel="stylesheet" href="${base}app.css" />
        ${scripts.map((name) => html`<script src="${base}${name}" defer></script>`)}
      </head>
      <body>
        ${body}
      </body>
    </html> `.text;
}
