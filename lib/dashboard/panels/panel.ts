import type { DashboardSnapshot, LimitedKey } from '../dashboard.snapshot.js';
import { html, type Html } from '../html.js';

/** Renders the content of a panel; `undefined` if it has none. `base`: prefix of links to pages. */
export type RenderPanel = (snapshot: DashboardSnapshot, base: string) => Html | undefined;

/** On a wide screen 12 (`wide`), 8, 6 or 4 of 12 columns. */
type Width = 'wide' | 'most' | 'half' | 'least';

/** A part of a page that open pages receive anew when it changes. */
export interface Panel {
  readonly width: Width;
  /** Without content it takes no room. */
  readonly render: RenderPanel;
}

/** Parts of a page, by the id of their element. */
export type PanelSet = Readonly<Record<string, Panel>>;

/** A panel with a heading. */
export function titled(width: Width, id: string, title: string, render: RenderPanel): Panel {
  return {
    width,
    render: (snapshot, base) => {
      const body = render(snapshot, base);
      return body && card(id, title, body);
    },
  };
}

/** The elements of panels. Scripts fill them anew. */
export function panelElements(panels: PanelSet, snapshot: DashboardSnapshot, base: string): Html {
  const elements = Object.entries(panels).map(
    ([id, { width, render }]) => html`<div id="${id}" class="${width}">${render(snapshot, base)}</div>`,
  );
  return html`${elements}`;
}

/** A section with a heading. */
export function card(id: string, title: string, body: Html): Html {
  return html`<section class="card of-${id}" aria-labelledby="${id}-title">
    <h2 id="${id}-title">${title}</h2>
    ${body}
  </section>`;
}

/** A figure with its name and a note. */
export function tile(label: string, total: string, note: string): Html {
  return html`<div class="tile">
    <dt>${label}</dt>
    <dd class="total">${total}</dd>
    <dd class="rate">${note}</dd>
  </div>`;
}

/** A column of a table. */
export interface Column {
  readonly label: string;
  readonly isFigure?: boolean;
  /** On a narrow screen it has its own line. */
  readonly isLong?: boolean;
}

/** A column of figures. */
export function figure(label: string): Column {
  return { label, isFigure: true };
}

/** A table. On a narrow screen each row becomes a block of labelled cells. */
export function table(caption: string, columns: readonly Column[], rows: readonly (readonly Html[])[]): Html {
  return tableOf(
    caption,
    columns,
    html`<tbody>
      ${rows.map((cells) => tableRow(cells, columns))}
    </tbody>`,
  );
}

/** Rows below a heading. */
export interface RowGroup {
  readonly heading: Html;
  readonly rows: readonly (readonly Html[])[];
}

/** A table of groups of rows, each below a heading. */
export function groupedTable(caption: string, columns: readonly Column[], groups: readonly RowGroup[]): Html {
  const bodies = groups.map(
    ({ heading, rows }) =>
      html`<tbody>
        <tr class="group">
          <th scope="rowgroup" colspan="${columns.length}">${heading}</th>
        </tr>
        ${rows.map((cells) => tableRow(cells, columns))}
      </tbody>`,
  );
  return tableOf(caption, columns, html`${bodies}`);
}

function tableOf(caption: string, columns: readonly Column[], bodies: Html): Html {
  return html`<table class="sheet">
    <caption class="unseen">
      ${caption}
    </caption>
    <thead>
      <tr>
        ${columns.map(({ label, isFigure }) => html`<th scope="col" class="${isFigure === true ? 'figure' : 'name'}">${label}</th>`)}
      </tr>
    </thead>
    ${bodies}
  </table>`;
}

function tableRow(cells: readonly Html[], columns: readonly Column[]): Html {
  return html`<tr>
    ${cells.map((cell, at) => tableCell(cell, at, columns[at]))}
  </tr>`;
}

function tableCell(cell: Html, at: number, { label, isFigure, isLong }: Column): Html {
  if (at === 0) return html`<th scope="row">${cell}</th>`;
  const kind = isFigure === true ? 'figure' : isLong === true ? 'long' : 'name';
  return html`<td class="${kind}" data-label="${label}">${cell}</td>`;
}

/** Limits or budgets, one below the other. */
export function limitList(rows: readonly Html[]): Html {
  return html`<ul class="limits">
      ${rows}
    </ul>
    <p class="note">
      API keys, teams and users are shown by name if their key was used recently; other keys are hashed with a per-process salt.
    </p>`;
}

/** A limit or a budget: its key, the remaining amount, a bar and a note. */
export function limitRow({ limit, keyHash, keyName }: LimitedKey, left: string, used: Html, note: string): Html {
  return html`<li>
    <div class="head">
      <span><strong>${limit}</strong> ${keyName ?? html`<code>${keyHash}</code>`}</span>
      <span class="figure">${left} left</span>
    </div>
    ${used}
    <p class="note">${note}</p>
  </li>`;
}

/** Placeholder of an empty panel. */
export function nothing(text: string): Html {
  return html`<p class="nothing">${text}</p>`;
}

/** A state as a word; its colour adds no meaning. */
export function badge(kind: 'good' | 'warn' | 'bad' | 'plain', text: string): Html {
  return html`<span class="badge ${kind}">${text}</span>`;
}

/** A part of a bar, in percent of the whole. */
export interface BarPart {
  /** `none` leaves a gap. */
  readonly kind: 'none' | 'used' | 'near' | 'full' | 'idle' | 'native' | 'typescript';
  readonly percentage: number;
}

/**
 * A bar, in SVG because the page allows no inline styles. Text next to it says the same to screen
 * readers.
 */
export function bar(parts: readonly BarPart[]): Html {
  let from = 0;
  const pieces = parts.map(({ kind, percentage }) => {
    const width = Math.max(0, Math.min(percentage, 100 - from));
    const piece = html`<rect class="${kind}" x="${from.toFixed(2)}" width="${width.toFixed(2)}" height="8"></rect>`;
    from += width;
    return piece;
  });
  return html`<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false">${pieces}</svg>`;
}

/** The used part of a limit: normal, near (from 3/4) or full. */
export function usageBar(used: number, total: number): Html {
  const part = total > 0 ? Math.min(1, Math.max(0, used / total)) : 1;
  return bar([{ kind: part >= 1 ? 'full' : part >= 0.75 ? 'near' : 'used', percentage: part * 100 }]);
}
