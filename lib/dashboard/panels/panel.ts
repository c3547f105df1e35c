import type { LimitedKey } from '../dashboard.snapshot.js';
import { html, type Html } from '../html.js';

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

/** Limits or budgets, one below the other. */
export function limitList(rows: readonly Html[]): Html {
  return html`<ul class="limits">
      ${rows}
    </ul>
    <p class="note">API keys, teams and users in the table below are shown by name; other keys are hashed with a per-process salt.</p>`;
}

/** A limit or a budget: its key, what is left, a bar and a note. */
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
  readonly kind: 'used' | 'near' | 'full' | 'idle' | 'native' | 'typescript';
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
