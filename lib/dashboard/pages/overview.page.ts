import { html } from '../html.js';
import { limitsPanel } from '../panels/limits.panel.js';
import { budgetsPanel, spendingPanel } from '../panels/spend.panel.js';
import { attentionPanel, glancePanel, groupsPanel } from '../panels/overview.panel.js';
import { panelElements, titled, type PanelSet } from '../panels/panel.js';
import type { DashboardPage } from './page.js';

const FIRST: PanelSet = {
  attention: titled('wide', 'attention', 'Needs attention', attentionPanel),
  overview: { width: 'wide', render: glancePanel },
};

const LATER: PanelSet = {
  groups: titled('wide', 'groups', 'Model groups, last 5 minutes', groupsPanel),
  limits: titled('half', 'limits', 'Limits nearest to exhaustion', limitsPanel),
  budgets: titled('half', 'budgets', 'Budgets nearest to exhaustion', budgetsPanel),
  spend: titled('half', 'spend', 'Spend by model group', spendingPanel),
};

/** Health, traffic, latency, errors and spend; what needs attention comes first. */
export const overviewPage: DashboardPage = {
  path: '',
  title: 'Overview',
  isAvailable: () => true,
  panels: { ...FIRST, ...LATER },
  hasPlots: true,
  async render({ services, base }) {
    const snapshot = await services.feed.snapshot();
    return {
      body: html`${panelElements(FIRST, snapshot, base)}
        <section class="card wide" id="plots" aria-labelledby="plots-title">
          <div class="head">
            <h2 id="plots-title">Latency and calls</h2>
            <label class="choose" hidden
              >Operation
              <select id="series"></select
            ></label>
          </div>
          <div class="plots">
            <div id="latency" class="plot" role="img" aria-label="Latency over time"></div>
            <div id="calls" class="plot" role="img" aria-label="Calls per second over time"></div>
          </div>
          <p id="plots-note" class="nothing">Plots need JavaScript. Diagnostics has the same figures in a table.</p>
        </section>
        ${panelElements(LATER, snapshot, base)}`,
    };
  },
};
