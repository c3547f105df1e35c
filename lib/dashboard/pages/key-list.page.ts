import { renderKeys } from '../keys/key-list.js';
import type { DashboardPage } from './page.js';

/** API keys with their limits and spend, searchable. */
export const keysPage: DashboardPage = {
  path: 'keys',
  title: 'Keys',
  isAvailable: ({ keys }) => keys !== undefined,
  async render(request) {
    const { spending, keys } = request.services;
    const note = spending === undefined ? 'Last uses are those in this process.' : 'Last uses are those of the last 30 days.';
    return { note, body: await renderKeys(request, keys!, Date.now()) };
  },
};
