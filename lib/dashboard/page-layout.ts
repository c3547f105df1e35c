import { formTokenOf, type OpenSession } from './dashboard.access.js';
import type { DashboardServices } from './dashboard.services.js';
import { html, type Html } from './html.js';
import type { DashboardPage, PageAnswer } from './pages/page.js';
import { statusPanel } from './panels/status.panel.js';
import type { PanelSet } from './panels/panel.js';

/** Parts of every page that open pages receive anew. */
export const LAYOUT_PANELS: PanelSet = { status: statusPanel };

/** Name of the field with the form's token. */
export const FORM_TOKEN = 'form_token';

/** Input of a page's frame. */
export interface LayoutContext {
  readonly services: DashboardServices;
  /** Pages in the navigation. */
  readonly pages: readonly DashboardPage[];
  /** Prefix of links, which are relative because a proxy may strip a part of the path. */
  readonly base: string;
  /** Link to the first page. */
  readonly home: string;
  readonly session: OpenSession | undefined;
  /** The result of the last form. */
  readonly notice?: string;
  /** Version of the package: open pages of another version reload. */
  readonly version: string;
  readonly status: Html;
}

/** A page with heading, navigation, health and session around its content. */
export function renderLayout(page: DashboardPage, answer: PageAnswer, context: LayoutContext): string {
  const { services, base, session, notice, version, status } = context;
  const title = answer.title ?? page.title;
  const isLive = page.panels !== undefined;
  return renderDocument(
    `${title} · ${services.title}`,
    base,
    html`<a class="skip" href="#main">Skip to the content</a>
      <header class="top">
        <p class="brand"><a href="${context.home}">${services.title}</a></p>
        <div class="state">
          <span id="status" role="status">${status}</span>
          ${isLive && html`<span id="live" class="live" data-state="still">Not live</span>`}
          ${session !== undefined && html`<form method="post" action="${base}logout"><button type="submit">Log out</button></form>`}
        </div>
        ${navigation(page, context)}
      </header>
      <main id="main" tabindex="-1" data-version="${version}" ${isLive && html`data-events="${base}events?page=${page.path}"`}>
        <div class="wide heading">
          <h1>${title}</h1>
          ${answer.note !== undefined && html`<p class="note">${answer.note}</p>`}
        </div>
        ${notice !== undefined && html`<p class="wide notice" role="status">${notice}</p>`} ${answer.body}
      </main>
      <footer class="foot note">${readOnlyReason(services, session)}</footer>`,
    page.hasPlots === true ? ['uplot.js', 'app.js'] : ['app.js'],
  );
}

function navigation(current: DashboardPage, { pages, base, home }: LayoutContext): Html {
  const shown = current.partOf ?? current.path;
  return html`<nav class="pages" aria-label="Pages">
    <ul>
      ${pages.map(({ path, title }) => {
        const href = path === '' ? home : `${base}${path}`;
        if (path !== shown) return html`<li><a href="${href}">${title}</a></li>`;
        return html`<li><a href="${href}" aria-current="${path === current.path ? 'page' : 'true'}">${title}</a></li>`;
      })}
    </ul>
  </nav>`;
}

/** Why the page changes nothing, and how to get a session that does. */
export function readOnlyReason({ access }: DashboardServices, session: OpenSession | undefined): string {
  if (session?.credential.canWrite === true) return '';
  if (session !== undefined) return 'Read-only session: to make changes, log out, and log in with the master key.';
  if (access.isGuarded) return 'Read-only: to make changes, log in with a browser.';
  return 'Read-only: everyone who can reach this address sees this page. To make changes, set a master key (LITELLM_MASTER_KEY) or dashboard.token, and log in.';
}

/** A form that posts to a page, with the token of the session. */
export function formOf(base: string, session: OpenSession, path: string, body: Html): Html {
  return html`<form method="post" action="${base}${path}">
    <input type="hidden" name="${FORM_TOKEN}" value="${formTokenOf(session)}" />
    ${body}
  </form>`;
}

/** The log-in form. */
export function renderLogin(title: string, base: string, failure?: string): string {
  return renderDocument(
    title,
    base,
    html`<main class="login">
      <form class="card" method="post" action="${base}login">
        <h1>${title}</h1>
        <p class="note">Enter the dashboard's <code>token</code> or the gateway's master key.</p>
        <label for="token">Token</label>
        <input id="token" name="token" type="password" autocomplete="current-password" required autofocus />
        ${failure !== undefined && html`<p class="failure" role="alert">${failure}</p>`}
        <button type="submit" class="main">Log in</button>
      </form>
    </main>`,
    [],
  );
}

/** A document that loads only files of this server. */
function renderDocument(title: string, base: string, body: Html, scripts: readonly string[]): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="robots" content="noindex" />
        <title>${title} · nestjs-fast-litellm</title>
        <link rel="icon" href="${base}icon.svg" type="image/svg+xml" />
        ${scripts.includes('uplot.js') && html`<link rel="stylesheet" href="${base}uplot.css" />`}
        <link rel="stylesheet" href="${base}app.css" />
        ${scripts.map((name) => html`<script src="${base}${name}" defer></script>`)}
      </head>
      <body>
        ${body}
      </body>
    </html> `.text;
}
