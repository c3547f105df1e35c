import { setTimeout as after } from 'node:timers/promises';
import { NO_STORE } from '../../configuration/stored/stored-models.js';
import type { DashboardServices } from '../dashboard.services.js';
import { html, type Html } from '../html.js';
import { deploymentsPanel, leftOutPanel } from '../panels/deployments.panel.js';
import { panelElements, titled, type PanelSet } from '../panels/panel.js';
import type { DashboardPage, PageRequest } from './page.js';

const PANELS: PanelSet = {
  leftOut: titled('wide', 'leftOut', 'Stored, but not in use', leftOutPanel),
  deployments: titled('wide', 'deployments', 'Deployments', deploymentsPanel),
};
/** Another process has made the change that this page is to show. */
const LONGEST_WAIT_MS = 1_000;

/** Model groups and their deployments. */
export const modelsPage: DashboardPage = {
  path: 'models',
  title: 'Models',
  isAvailable: () => true,
  panels: PANELS,
  async render(request) {
    const { services, base, query } = request;
    await catchUp(services, query);
    return { body: html`${adding(request)}${panelElements(PANELS, await services.feed.snapshot(), base)}` };
  },
};

function adding({ services: { models }, base, canWrite }: PageRequest): Html | false {
  if (models === undefined || !canWrite) return false;
  if (!models.hasStore) return html`<p class="wide note">Models cannot be added here, because ${NO_STORE}.</p>`;
  return html`<div class="wide actions"><a class="button main" href="${base}model-new">Add a model</a></div>`;
}

/**
 * Loads what another process has just written: the process that renders the next page need not be
 * the one that has accepted the form.
 * @param query `id` and the time `at` of its change, or `without`, the id of a model that was
 * deleted
 */
export async function catchUp({ models }: DashboardServices, query: URLSearchParams): Promise<void> {
  if (models === undefined) return;
  const [id, at, without] = ['id', 'at', 'without'].map((name) => query.get(name) ?? '');
  const isBehind = at !== '' && !((models.find(id)?.updatedAt.getTime() ?? 0) >= Date.parse(at));
  if (isBehind || models.find(without) !== undefined)
    await Promise.race([models.reload(), after(LONGEST_WAIT_MS, undefined, { ref: false })]);
}
