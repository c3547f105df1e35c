import type { DashboardServices } from '../dashboard.services.js';
import { callPage, callsPage } from './calls.page.js';
import { diagnosticsPage } from './diagnostics.page.js';
import { keyPage } from './key-details.page.js';
import { keysPage } from './key-list.page.js';
import { modelEditPage, modelNewPage } from './model-form.page.js';
import { modelDeletePage, modelPage } from './model-details.page.js';
import { modelsPage } from './model-list.page.js';
import { overviewPage } from './overview.page.js';
import type { DashboardPage } from './page.js';
import { spendingPage } from './spending.page.js';

/** All pages, in the order of the navigation. */
const PAGES: readonly DashboardPage[] = [
  overviewPage,
  modelsPage,
  modelPage,
  modelNewPage,
  modelEditPage,
  modelDeletePage,
  keysPage,
  keyPage,
  spendingPage,
  callsPage,
  callPage,
  diagnosticsPage,
];

/** The page with this path, if the app has the data for it. */
export function findPage(path: string, services: DashboardServices): DashboardPage | undefined {
  return PAGES.find((page) => page.path === path && page.isAvailable(services));
}

/** Pages in the navigation. */
export function navigationOf(services: DashboardServices): readonly DashboardPage[] {
  return PAGES.filter((page) => page.partOf === undefined && page.isAvailable(services));
}
