import type { ConfigurationChange, ConfigurationVersion } from '../../configuration/configuration-version.js';
import type { DashboardSnapshot } from '../dashboard.snapshot.js';
import { html, type Html } from '../html.js';
import { badge, table } from './panel.js';

const SHOWN_CHANGES = 50;
/** A longer value is truncated: a system prompt can have pages. */
const LONGEST_VALUE = 300;
const EFFECTS = { now: badge('good', 'now'), next_start: badge('warn', 'at the next start'), none: badge('warn', 'none') } as const;

/**
 * The version in use and its differences from the previous one, the rejected version, and the
 * history.
 */
export function configurationPanel({ configurations, rejectedConfiguration }: DashboardSnapshot): Html | undefined {
  if (configurations === null) return undefined;
  const [current, ...former] = configurations;
  return html`${rejectedConfiguration !== null && html`<p class="failure" role="alert">Rejected: ${rejectedConfiguration}</p>`}
    <p>${versionText(current)}</p>
    ${changesOf(current)}
    ${
      former.length > 0 &&
      html`<details>
        <summary>Former versions</summary>
        <ul class="advice">
          ${former.map((version) => html`<li>${versionText(version)}${changesOf(version)}</li>`)}
        </ul>
      </details>`
    }`;
}

function versionText({ version, at, cause, digest }: ConfigurationVersion): Html {
  const time = at.toISOString();
  return html`Version <strong>${version}</strong> since
    <time datetime="${time}">${time.slice(0, 19).replace('T', ' ')} UTC</time>
    <span class="note">(${cause}, <code>${digest.slice(0, 12)}</code>)</span>`;
}

function changesOf({ version, changes }: ConfigurationVersion): Html | false {
  if (changes.length === 0) return false;
  const rest = changes.length - SHOWN_CHANGES;
  const columns = [
    ...[{ label: 'Setting' }, { label: 'Change' }, { label: 'In effect' }],
    ...[
      { label: 'Before', isLong: true },
      { label: 'After', isLong: true },
    ],
  ];
  return html`${table(`Changes of version ${version}`, columns, changes.slice(0, SHOWN_CHANGES).map(changeRow))}
  ${rest > 0 && html`<p class="note">And ${rest} more.</p>`}`;
}

function changeRow({ path, kind, before, after, effect }: ConfigurationChange): Html[] {
  return [html`<code>${path}</code>`, html`${kind}`, EFFECTS[effect], valueText(before), valueText(after)];
}

function valueText(value: unknown): Html {
  if (value === undefined) return html``;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return html`<code>${text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text}</code>`;
}
