import { share } from '../figures.js';
import { html, type Html } from '../html.js';

/** A column of a table: its heading, and what it holds. */
export interface Column {
  readonly label: string;
  readonly isFigure?: boolean;
  /** A sentence: on a narrow screen it has a line of its own. */
  readonly isLong?: boolean;
}

/** Cells by row. On a narrow screen each row becomes a block, where every cell says what it is. */
export function table(caption: string, columns: readonly Column[], rows: readonly (readonly Html[])[]): Html {
  return html`<table class="sheet">
    <caption class="unseen">
      ${caption}
    </caption>
    <thead>
      <tr>
        ${columns.map(({ label, isFigure }) => html`<th scope="col" class="${isFigure === true ? 'figure' : 'name'}">${label}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        (cells) =>
          html`<tr>
            ${cells.map((cell, at) => tableCell(cell, at, columns[at]))}
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function tableCell(cell: Html, at: number, { label, isFigure, isLong }: Column): Html {
  if (at === 0) return html`<th scope="row">${cell}</th>`;
  const kind = isFigure === true ? 'figure' : isLong === true ? 'long' : 'name';
  return html`<td class="${kind}" data-label="${label}">${cell}</td>`;
}

/** What stands where there is nothing to show. */
export function nothing(text: string): Html {
  return html`<p class="nothing">${text}</p>`;
}

/** A word for a state, which colour underlines but does not carry. */
export function badge(kind: 'good' | 'warn' | 'bad' | 'plain', text: string): Html {
  return html`<span class="badge ${kind}">${text}</span>`;
}

/** A part of a bar, in per cent of the whole. */
export interface BarPart {
  readonly kind: 'used' | 'near' | 'full' | 'idle' | 'native' | 'typescript';
  readonly percentage: number;
}

/** A bar of parts. In SVG, for the page's policy allows no styles in place; said in words beside it, so hidden from those who listen. */
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

/** How much of a limit is gone: calm, near (from 3/4) or full. */
export function usageBar(used: number, total: number): Html {
  const part = total > 0 ? Math.min(1, Math.max(0, used / total)) : 1;
  return bar([{ kind: part >= 1 ? 'full' : part >= 0.75 ? 'near' : 'used', percentage: part * 100 }]);
}

/** `37%` of a whole that may be 0. */
export function shareOf(part: number, whole: number): string {
  return whole > 0 ? share(part / whole) : share(0);
}
