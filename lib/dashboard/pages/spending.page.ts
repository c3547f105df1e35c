import { renderSpending } from '../spending/spending-page.js';
import { spendingViewOf } from '../spending/spending-query.js';
import type { DashboardPage } from './page.js';

/** Spend over time, and who caused it. It works without JavaScript. */
export const spendingPage: DashboardPage = {
  path: 'spending',
  title: 'Spending',
  isAvailable: ({ spending }) => spending !== undefined,
  async render({ services, query }) {
    return { note: 'Days are in UTC.', body: await renderSpending(services.spending!, spendingViewOf(query, Date.now())) };
  },
};
