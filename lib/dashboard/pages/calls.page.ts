import { renderCall } from '../calls/call-details.js';
import { renderCalls } from '../calls/call-list.js';
import { spendingViewOf } from '../spending/spending-query.js';
import { failurePage } from './error.page.js';
import type { DashboardPage } from './page.js';

/** Recent calls, by key, model and status. */
export const callsPage: DashboardPage = {
  path: 'calls',
  title: 'Calls',
  isAvailable: () => true,
  async render({ services, query }) {
    const note =
      services.spending === undefined
        ? 'The last 1,000 calls of this process. A spend log keeps all calls of all processes.'
        : 'Days are in UTC.';
    return { note, body: await renderCalls(services.calls, services.spending !== undefined, spendingViewOf(query, Date.now())) };
  },
};

/** One call with its attempts. */
export const callPage: DashboardPage = {
  path: 'call',
  title: 'Call',
  partOf: 'calls',
  isAvailable: () => true,
  async render({ services, query }) {
    const body = await renderCall(services.calls, spendingViewOf(query, Date.now()));
    return body === undefined ? failurePage(404, 'Call', 'This call is no longer recorded.') : { body };
  },
};
