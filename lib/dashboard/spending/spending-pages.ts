import { DatabaseError, errorMessage, InvalidArgumentError } from '../../common/errors.js';
import { renderDocument, type PageContext as Context } from '../dashboard.page.js';
import { html, type Html } from '../html.js';
import { renderCall, renderCalls } from './calls-page.js';
import { renderSpending } from './spending-page.js';
import { spendingViewOf, type SpendingView } from './spending-query.js';
import type { SpendingSource } from './spending-source.js';

/** Input of a page. */
interface PageContext extends Context {
  /** Link to the dashboard. */
  readonly home: string;
}

export type SpendingPageName = 'spending' | 'calls' | 'call';

/** A rendered page. */
export interface RenderedPage {
  readonly status: number;
  readonly body: string;
}

/** The spend pages. They work without JavaScript. */
export class SpendingPages {
  constructor(
    private readonly source: SpendingSource,
    private readonly now: () => number = Date.now,
  ) {}

  async render(name: SpendingPageName, query: unknown, context: PageContext): Promise<RenderedPage> {
    try {
      const main = await this.mainOf(name, spendingViewOf(query, this.now()));
      if (main !== undefined) return { status: 200, body: pageOf(main, context) };
      return { status: 404, body: pageOf(failure('This call is not in the spend log.'), context) };
    } catch (error) {
      if (error instanceof InvalidArgumentError) return { status: 400, body: pageOf(failure(errorMessage(error)), context) };
      if (!(error instanceof DatabaseError)) throw error;
      return { status: 503, body: pageOf(failure('The spend log is unavailable at the moment.'), context) };
    }
  }

  private mainOf(name: SpendingPageName, view: SpendingView): Promise<Html | undefined> {
    if (name === 'spending') return renderSpending(this.source, view);
    return name === 'calls' ? renderCalls(this.source, view) : renderCall(this.source, view);
  }
}

function failure(text: string): Html {
  return html`<section class="card wide" aria-labelledby="failure-title">
    <h2 id="failure-title">Spending</h2>
    <p class="failure" role="alert">${text}</p>
    <p><a href="spending">Back to spending</a></p>
  </section>`;
}

function pageOf(main: Html, { title, base, home, isGuarded }: PageContext): string {
  return renderDocument(
    `Spending · ${title}`,
    base,
    html`<a class="skip" href="#main">Skip to the figures</a>
      <header class="top">
        <div>
          <h1>Spending</h1>
          <p class="note">Days are in UTC.</p>
        </div>
        <nav class="state" aria-label="Pages">
          <a href="${home}">${title}</a>
          ${isGuarded && html`<form method="post" action="logout"><button type="submit">Log out</button></form>`}
        </nav>
      </header>
      <main id="main">${main}</main>`,
    [],
  );
}
