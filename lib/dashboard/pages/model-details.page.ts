import type { StoredModel } from '../../configuration/stored/stored-records.js';
import { confirmationPage } from '../fields.js';
import { html } from '../html.js';
import { findModel, groupOf, renderModel, type ShownModel } from '../models/model-details.js';
import { failurePage } from './error.page.js';
import { catchUp } from './model-list.page.js';
import type { DashboardPage, FormAnswer, FormRequest, PageAnswer, PageRequest } from './page.js';

const UNKNOWN = failurePage(404, 'Model', 'This model does not exist, or not any longer.');

/** One deployment: state, figures, definition, and what can be done with it. */
export const modelPage: DashboardPage = {
  path: 'model',
  title: 'Model',
  partOf: 'models',
  isAvailable: () => true,
  async render(request) {
    await catchUp(request.services, request.query);
    return shown(request);
  },
  async submit(form) {
    const { services, query, fields } = form;
    const id = query.get('id') ?? '';
    if (services.models === undefined || (await findModel(services, id)) === undefined) return UNKNOWN;
    const action = fields.get('do');
    if (action === 'test') return tested(form, id);
    if (action === 'enable' || action === 'disable') return switched(form, id, action === 'disable');
    return failurePage(400, 'Model', 'The form has no action that this page has.');
  },
};

async function shown(request: PageRequest, result?: Parameters<typeof renderModel>[2]): Promise<PageAnswer> {
  const model = await findModel(request.services, request.query.get('id') ?? '');
  if (model === undefined) return UNKNOWN;
  return { title: groupOf(model), note: modelOf(model), body: renderModel(request, model, result) };
}

function modelOf({ deployment, stored }: ShownModel): string {
  const { model } = stored?.params ?? {};
  return deployment?.model ?? (typeof model === 'string' ? model : '');
}

async function tested(form: FormRequest, id: string): Promise<FormAnswer> {
  const { services, actor } = form;
  const result = await services.models!.test(id);
  services.log.log(`Dashboard: model ${id} tested by ${actor.actor}: ${result.state}`);
  const { state, durationMs } = result;
  await services.audit?.record({ ...actor, action: 'tested', entity: 'models', entityId: id, after: { state, durationMs } });
  // The call is part of its figures.
  services.feed.expire();
  return shown(form, result);
}

async function switched({ services, actor }: FormRequest, id: string, isBlocked: boolean): Promise<FormAnswer> {
  const { model } = await services.models!.update(id, { isBlocked }, actor);
  const notice = isBlocked
    ? `${model.modelName} was disabled: this deployment gets no further requests.`
    : `${model.modelName} was enabled: this deployment gets requests again.`;
  return { redirect: changedLink(model), notice };
}

/** The page of a model that was changed. */
export function changedLink({ id, updatedAt }: StoredModel): string {
  return `model?${new URLSearchParams({ id, at: updatedAt.toISOString() }).toString()}`;
}

/** Asks before a model is deleted. */
export const modelDeletePage: DashboardPage = {
  path: 'model-delete',
  title: 'Delete a model',
  partOf: 'models',
  isAvailable: ({ models }) => models !== undefined,
  async render(request) {
    const { services, query, canWrite } = request;
    const id = query.get('id') ?? '';
    const model = services.models!.find(id);
    if (model === undefined || services.models!.isInFile(id)) return UNKNOWN;
    if (!canWrite) return failurePage(403, 'Delete a model', 'This session only reads.');
    const { deployments } = await services.feed.snapshot();
    const others = deployments?.filter((each) => each.group === model.modelName && each.id !== id).length ?? 0;
    const consequence =
      others === 0
        ? html`It is the only deployment of its group: requests for <strong>${model.modelName}</strong> will get 404.`
        : html`${others} other ${others === 1 ? 'deployment' : 'deployments'} of <strong>${model.modelName}</strong> will get its requests.`;
    return confirmationPage(request, {
      question: `Delete ${model.modelName}?`,
      body: html`<p>The deployment <code>${id}</code> (${String(model.params.model)}) and its secrets are deleted in all processes.</p>
        <p>${consequence} Calls in flight finish.</p>`,
      path: 'model-delete',
      fields: { id },
      action: 'Delete',
      back: `model?${new URLSearchParams({ id }).toString()}`,
    });
  },
  async submit({ services, fields, actor }) {
    const model = await services.models!.remove(fields.get('id') ?? '', actor);
    return { redirect: `models?${new URLSearchParams({ without: model.id }).toString()}`, notice: `${model.modelName} was deleted.` };
  },
};
