import type { ModelTest } from '../../configuration/stored/stored-models.js';
import type { StoredModel } from '../../configuration/stored/stored-records.js';
import type { DashboardServices } from '../dashboard.services.js';
import type { DeploymentState } from '../dashboard.source.js';
import { hidden } from '../fields.js';
import { compact, count, duration, NONE, share } from '../number-format.js';
import { html, type Html } from '../html.js';
import type { PageRequest } from '../pages/page.js';
import { optionalDuration, recent, stateOf, used } from '../panels/deployments.panel.js';
import { badge, bar } from '../panels/panel.js';
import { secretNames } from './model-fields.js';

/** A model: as the router has it, and as the store has it; one of both can be missing. */
export interface ShownModel {
  readonly id: string;
  readonly deployment?: DeploymentState;
  readonly stored?: StoredModel;
  /** Share of the attempts of its group; absent without other deployments. */
  readonly part?: number;
}

/** Finds a model. */
export async function findModel({ feed, models }: DashboardServices, id: string): Promise<ShownModel | undefined> {
  const { deployments } = await feed.snapshot();
  const deployment = deployments?.find((each) => each.id === id);
  const stored = models?.isInFile(id) === true ? undefined : models?.find(id);
  if (deployment === undefined && stored === undefined) return undefined;
  const group = deployments?.filter((each) => each.group === deployment?.group) ?? [];
  const all = group.reduce((sum, { answered }) => sum + answered, 0);
  const part = deployment === undefined || group.length < 2 ? undefined : deployment.answered / Math.max(1, all);
  return { id, deployment, stored, part };
}

/** Model group of a model. */
export function groupOf({ deployment, stored }: ShownModel): string {
  return stored?.modelName ?? deployment?.group ?? '';
}

/** State, figures, definition and actions of a model. @param result of a test that has just run */
export function renderModel(request: PageRequest, model: ShownModel, result?: ModelTest): Html {
  return html`${result !== undefined && testResult(result)}
    <section class="card most of-model" aria-labelledby="model-title">
      <div class="head">
        <h2 id="model-title">State</h2>
        <a href="models">All models</a>
      </div>
      ${stateText(model)}${model.deployment !== undefined && figures(model.deployment, model.part)}
    </section>
    <section class="card least" aria-labelledby="actions-title">
      <h2 id="actions-title">Actions</h2>
      ${actions(request, model)}
    </section>
    <section class="card wide" aria-labelledby="definition-title">
      <h2 id="definition-title">Definition</h2>
      ${definition(request, model)}
    </section>`;
}

function testResult({ state, reason, durationMs }: ModelTest): Html {
  const time = durationMs === undefined ? '' : ` after ${duration(durationMs)}`;
  const text = { healthy: `It answered${time}.`, unhealthy: `It failed${time}.`, untested: 'It was not tested.' }[state];
  const kind = { healthy: 'good', unhealthy: 'bad', untested: 'warn' }[state];
  return html`<section class="wide notice ${kind}" role="${state === 'unhealthy' ? 'alert' : 'status'}" aria-label="Result of the test">
    <p>Test: ${text}</p>
    ${reason !== undefined && html`<p class="cause">${reason}</p>`}
  </section>`;
}

function stateText({ deployment, stored }: ShownModel): Html {
  if (deployment !== undefined) return html`<p>${stateOf(deployment)}</p>`;
  return html`<p>${badge('bad', 'not in use')} <span class="note below">${stored?.fault ?? 'It is being loaded.'}</span></p>`;
}

function figures(deployment: DeploymentState, part: number | undefined): Html {
  const { answered, failures, window, latencyMs, timeToFirstTokenMs, inFlight, parallelLimit, rpm, rpmLimit, tpm, tpmLimit } = deployment;
  const shown: readonly (readonly [string, Html | string] | undefined)[] = [
    [
      'Attempts since the start',
      html`${compact(answered)}${failures > 0 && html` <span class="bad-word">(${compact(failures)} failed)</span>`}`,
    ],
    ['Attempts, last 5 min', recent(window)],
    part === undefined
      ? undefined
      : [
          'Share of its group',
          html`<span class="share">${bar([{ kind: 'used', percentage: part * 100 }])}<span>${share(part)}</span></span>`,
        ],
    ['Latency p50', optionalDuration(window?.p50Ms)],
    ['Latency p95', optionalDuration(window?.p95Ms)],
    ['First token p95', optionalDuration(window?.firstTokenP95Ms)],
    ['Mean per token', optionalDuration(latencyMs)],
    ['Mean first token', optionalDuration(timeToFirstTokenMs)],
    ['In flight', parallelLimit === undefined ? count(inFlight) : used(inFlight, parallelLimit)],
    // A disabled one has a limit of 0.
    ['Requests this minute', used(rpm, rpmLimit || undefined)],
    ['Tokens this minute', used(tpm, tpmLimit || undefined)],
  ];
  return facts(shown.filter((each) => each !== undefined).filter(([, value]) => value !== NONE));
}

function facts(rows: readonly (readonly [string, Html | string])[]): Html {
  return html`<dl class="facts">
    ${rows.map(
      ([name, value]) =>
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
}

function actions(request: PageRequest, { id, deployment, stored }: ShownModel): Html {
  const { services, form, canWrite } = request;
  if (services.models === undefined) return html`<p class="note">Models can be changed in an app with FastLiteLLMAdminModule.</p>`;
  if (!canWrite) return html`<p class="note">This session only reads.</p>`;
  const query = new URLSearchParams({ id }).toString();
  const button = (action: string, text: string, note: Html | string): Html =>
    html`<li>
      ${form(`model?${query}`, html`${hidden('do', action)}<button type="submit">${text}</button>`)}
      <p class="note">${note}</p>
    </li>`;
  const untested = whyNotTested(deployment);
  return html`<ul class="deeds">
    ${untested === undefined && button('test', 'Test', 'Makes one small call, which the provider bills.')}
    ${untested !== undefined && html`<li><p class="note">${untested}</p></li>`}
    ${
      stored !== undefined &&
      html`<li>
          <a class="button" href="model-edit?${query}">Edit</a>
          <p class="note">Group, address, key, limits and prices.</p>
        </li>
        ${
          stored.isBlocked
            ? button('enable', 'Enable', 'It gets requests again.')
            : button('disable', 'Disable', 'It gets no further requests; calls in flight finish.')
        }
        <li>
          <a class="button danger" href="model-delete?${query}">Delete…</a>
          <p class="note">Asks first.</p>
        </li>`
    }
    ${stored === undefined && html`<li><p class="note">${whereDefined(services)}</p></li>`}
  </ul>`;
}

/** The router gives calls only to deployments that are available, tests included. */
function whyNotTested(deployment: DeploymentState | undefined): string | undefined {
  if (deployment === undefined) return 'It can be tested when it is in use.';
  if (deployment.model.includes('*')) return 'A pattern has no test call: test a model by its name.';
  return deployment.state === 'available' ? undefined : 'It can be tested when it is available.';
}

/** Where a model that cannot be changed here is defined. */
function whereDefined({ configPath, configuration }: DashboardServices): Html {
  if (configPath === undefined)
    return html`This deployment is defined in the app's code (router.modelList), and can be changed only there.`;
  return html`This deployment is defined in <code>${configPath}</code> and cannot be changed here. Change it in the file; a valid change
    takes effect
    ${configuration === undefined ? 'at the next start' : html`when the configuration is <a href="diagnostics">reloaded</a>, without a restart`}.`;
}

function definition({ services }: PageRequest, { id, deployment, stored }: ShownModel): Html {
  if (stored === undefined) {
    const { group = '', model = '' } = deployment ?? {};
    const where = services.configPath === undefined ? "the app's code" : html`<code>${services.configPath}</code>, in model_list`;
    return facts([
      ['Defined in', html`${where}`],
      ['model_name', html`<code>${group}</code>`],
      ['litellm_params.model', html`<code>${model}</code>`],
      ['Id', html`<code>${id}</code>`],
    ]);
  }
  const secrets = new Set(secretNames(stored));
  const values = [
    ...Object.entries(stored.params).map(([name, value]): readonly [string, Html] => [
      name,
      secrets.has(name) ? html`<span class="note">stored, not shown</span>` : valueText(value),
    ]),
    ...Object.entries(stored.info).map(([name, value]): readonly [string, Html] => [`model_info.${name}`, valueText(value)]),
  ];
  return facts([
    ['Defined by', 'the API: kept in the store'],
    ['Id', html`<code>${id}</code>`],
    ['Added', `${timeText(stored.createdAt)} by ${stored.createdBy}`],
    [
      'Last change',
      stored.updatedAt.getTime() === stored.createdAt.getTime() ? NONE : `${timeText(stored.updatedAt)} by ${stored.updatedBy}`,
    ],
    ['model_name', html`<code>${stored.modelName}</code>`],
    ...values,
  ]);
}

function valueText(value: unknown): Html {
  return html`<code>${typeof value === 'string' ? value : JSON.stringify(value)}</code>`;
}

function timeText(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
