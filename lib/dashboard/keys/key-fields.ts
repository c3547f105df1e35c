import type { DashboardServices } from '../dashboard.services.js';
import { FormFields, type FieldErrors } from '../fields.js';
import { html, type Html } from '../html.js';

const SUGGESTED = 100;
const DURATIONS = ['1d', '7d', '30d', '1h', '24h', '14d'];
const MORE =
  'organization_id budget_id soft_budget temp_budget_increase temp_budget_expiry allowed_routes aliases tags priority metadata'.split(' ');

/** The fields of a key, for a new one and for changes. */
export async function keyFields(
  services: DashboardServices,
  values: URLSearchParams,
  errors: FieldErrors,
): Promise<{ fields: FormFields; inputs: Html }> {
  const fields = new FormFields(values, errors);
  const { directory } = services;
  const idsOf = async (entity: 'teams' | 'budgets' | 'organizations'): Promise<readonly string[]> =>
    directory === undefined ? [] : (await directory.list(entity, { limit: SUGGESTED })).records.map(({ id }) => id);
  const [teams, budgets, organizations, groups] = await Promise.all([
    idsOf('teams'),
    idsOf('budgets'),
    idsOf('organizations'),
    groupsOf(services),
  ]);
  const isOpen = MORE.some((name) => values.has(name) || fields.hasError(name));
  const inputs = html`<fieldset>
      <legend>Who</legend>
      <div class="fields">
        ${fields.text({ name: 'key_alias', label: 'Alias', hint: 'A name for pages and reports, unique among keys.' })}
        ${fields.text({ name: 'team_id', label: 'Team', suggestions: teams })} ${fields.text({ name: 'user_id', label: 'User' })}
        ${fields.text({ name: 'expires', label: 'Expires (UTC)', type: 'datetime-local', hint: 'Empty: never.' })}
      </div>
    </fieldset>
    <fieldset>
      <legend>What it can call</legend>
      <div class="fields">
        ${fields.area({
          name: 'models',
          label: 'Models',
          isWide: true,
          hint: html`One a line; <code>*</code> stands for any characters. Empty: all
            models.${groups.length > 0 && html` Here: ${groups.join(', ')}.`}`,
        })}
      </div>
    </fieldset>
    <fieldset>
      <legend>Limits</legend>
      <div class="fields">
        ${fields.text({ name: 'rpm_limit', label: 'Requests a minute', inputMode: 'numeric' })}
        ${fields.text({ name: 'tpm_limit', label: 'Tokens a minute', inputMode: 'numeric' })}
        ${fields.text({ name: 'max_parallel_requests', label: 'Requests in flight', inputMode: 'numeric' })}
      </div>
      <p class="note">Empty: no limit. 0: no requests at all.</p>
    </fieldset>
    <fieldset>
      <legend>Budget</legend>
      <div class="fields">
        ${fields.text({ name: 'max_budget', label: 'Budget in USD', inputMode: 'decimal', hint: 'Empty: no budget.' })}
        ${fields.text({
          name: 'budget_duration',
          label: 'Resets every',
          suggestions: DURATIONS,
          hint: html`A duration such as <code>1d</code>, <code>7d</code> or <code>30d</code>. Empty: never.`,
        })}
      </div>
    </fieldset>
    <details ${isOpen && html`open`}>
      <summary>More settings</summary>
      <div class="fields">
        ${
          directory !== undefined &&
          html`${fields.text({ name: 'organization_id', label: 'Organization', suggestions: organizations, hint: 'Empty: that of the team.' })}
          ${fields.text({ name: 'budget_id', label: 'Shared budget', suggestions: budgets, hint: 'Its limits apply where the key has none.' })}`
        }
        ${fields.text({ name: 'soft_budget', label: 'Report at, in USD', inputMode: 'decimal', hint: 'Spend that is reported, and denies nothing.' })}
        ${fields.text({ name: 'temp_budget_increase', label: 'Raise the budget by, in USD', inputMode: 'decimal' })}
        ${fields.text({ name: 'temp_budget_expiry', label: 'Raised until (UTC)', type: 'datetime-local' })}
        ${fields.choice({
          name: 'priority',
          label: 'Priority',
          options: [
            ['', 'not set'],
            ['critical', 'critical'],
            ['default', 'default'],
            ['batch', 'batch'],
          ],
        })}
        ${fields.area({ name: 'tags', label: 'Tags', rows: 3, hint: 'One a line.' })}
        ${fields.area({ name: 'allowed_routes', label: 'Routes', rows: 3, hint: html`Paths or groups such as <code>llm_api_routes</code>, one a line. Empty: all.` })}
        ${fields.area({ name: 'aliases', label: 'Names for models', rows: 3, hint: html`One a line: <code>fast = gpt-4o-mini</code>` })}
        ${fields.area({ name: 'metadata', label: 'Metadata', rows: 6, hint: 'A JSON object.', isWide: true })}
      </div>
    </details>`;
  return { fields, inputs };
}

/** Some of the model groups that keys can name. */
async function groupsOf({ feed }: DashboardServices): Promise<readonly string[]> {
  const { deployments } = await feed.snapshot();
  return [...new Set((deployments ?? []).map(({ group }) => group))].slice(0, 12);
}
