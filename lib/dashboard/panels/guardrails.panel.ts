import type { DashboardSnapshot } from '../dashboard.snapshot.js';
import { count, duration } from '../number-format.js';
import { html, type Html } from '../html.js';
import { figure, table } from './panel.js';

/** Guardrails by mode, and the time that they add to streams. */
export function guardrailsPanel({ guardrails }: DashboardSnapshot): Html | undefined {
  if (guardrails === undefined || guardrails.guardrails.length === 0) return undefined;
  const { firstTextMs, laterTextMs = 0 } = guardrails;
  const rows = guardrails.guardrails.map(({ name, mode, checks, masked, denied, failed, meanMs }) => [
    html`${name}`,
    html`${mode}`,
    ...[checks, masked, denied, failed].map((value) => html`${count(value)}`),
    html`${duration(meanMs)}`,
  ]);
  const columns = [
    { label: 'Guardrail' },
    { label: 'Mode' },
    figure('Checks'),
    figure('Masked'),
    figure('Denied'),
    figure('Failed'),
    figure('Mean duration'),
  ];
  return html`${table('Guardrails, since the start', columns, rows)}
  ${
    firstTextMs !== undefined &&
    html`<p class="note">
      Streams wait ${duration(firstTextMs)} longer for their first text and ${duration(laterTextMs)} for each further event, on average.
    </p>`
  }`;
}
