import { errorMessage } from '../../common/errors.js';
import { StoredConfigurationError } from '../../configuration/stored/stored-errors.js';
import type { StoredModels, WrittenModel } from '../../configuration/stored/stored-models.js';
import type { StoredModel } from '../../configuration/stored/stored-records.js';
import { addressKeyOf } from '../../configuration/stored/stored-values.js';
import { fieldErrorsOf, NO_ERRORS, type FieldErrors } from '../fields.js';
import {
  changesIn,
  enteredSecrets,
  FIELDS,
  fieldOfPath,
  MORE,
  revisionOf,
  secretNames,
  shownAgain,
  shownFields,
  type ModelChange,
} from '../models/model-fields.js';
import { renderModelForm } from '../models/model-form.js';
import { failurePage } from './error.page.js';
import { changedLink } from './model-details.page.js';
import type { DashboardPage, FormAnswer, FormRequest, PageAnswer, PageRequest } from './page.js';

const READ_ONLY = 'This session only reads.';
const AGAIN = 'Enter it again: secrets are not shown.';
const MOVED = 'Is not sent to the new provider or address. Enter it again, or delete the stored value.';

/** Adds a model. */
export const modelNewPage: DashboardPage = {
  path: 'model-new',
  title: 'Add a model',
  partOf: 'models',
  isAvailable: ({ models }) => models !== undefined,
  render: (request) => formPage(request, undefined),
  async submit(form) {
    const { services, fields, actor } = form;
    const id = fields.get('model_info.id')?.trim() ?? '';
    return written(form, undefined, async () => {
      const { params, info } = withoutNull(changesIn(fields));
      const created = { modelName: nameIn(fields), params, info: { ...info, ...(id !== '' && { id }) } };
      return answerOf(await services.models!.create(created, actor), 'was added: all processes use it within a second. Test it below.');
    });
  },
};

/** Changes a model. */
export const modelEditPage: DashboardPage = {
  path: 'model-edit',
  title: 'Edit a model',
  partOf: 'models',
  isAvailable: ({ models }) => models !== undefined,
  render(request) {
    const model = editable(request.services.models!, request.query);
    return model === undefined ? unknown() : formPage(request, model);
  },
  async submit(form) {
    const { services, query, fields, actor } = form;
    const model = editable(services.models!, query);
    if (model === undefined) return unknown();
    return written(form, model, async () => {
      if (fields.get('revision') !== revisionOf(model)) return meanwhile(model);
      const change = changesIn(fields, model);
      const lost = lostSecrets(model, change);
      if (lost.size > 0) return lost;
      const answer = await services.models!.update(model.id, { modelName: nameIn(fields), ...change }, actor);
      return answerOf(answer, 'was changed.');
    });
  },
};

function editable(models: StoredModels, query: URLSearchParams): StoredModel | undefined {
  const id = query.get('id') ?? '';
  return models.isInFile(id) ? undefined : models.find(id);
}

function unknown(): PageAnswer {
  return failurePage(404, 'Edit a model', 'The store has no model with this id. Models of the configuration file are changed there.');
}

async function formPage(
  request: PageRequest,
  model: StoredModel | undefined,
  {
    values = shownFields(model),
    errors = NO_ERRORS,
    status = 200,
  }: { values?: URLSearchParams; errors?: FieldErrors; status?: number } = {},
): Promise<PageAnswer> {
  const title = model === undefined ? 'Add a model' : `Edit ${model.modelName}`;
  if (!request.canWrite) return failurePage(403, title, READ_ONLY);
  const { deployments } = await request.services.feed.snapshot();
  const groups = [...new Set(deployments?.map(({ group }) => group) ?? [])].sort();
  return {
    status,
    title,
    note: model?.id,
    body: renderModelForm({ request, models: request.services.models!, model, values, errors, groups }),
  };
}

/** The answer to a form: the errors of `write` become the form again, with what was entered. */
async function written(
  form: FormRequest,
  model: StoredModel | undefined,
  write: () => Promise<FormAnswer | FieldErrors>,
): Promise<FormAnswer> {
  let errors: FieldErrors;
  let status = 400;
  try {
    const answer = await write();
    if (!(answer instanceof Map)) return answer as FormAnswer;
    errors = answer as FieldErrors;
  } catch (error) {
    if (error instanceof StoredConfigurationError) {
      errors = new Map([['', errorMessage(error)]]);
      status = error.code === 'CONFIGURATION_STORE_UNAVAILABLE' ? 503 : 409;
    } else errors = fieldErrorsOf(error, fieldOfPath);
  }
  const again = enteredSecrets(form.fields).map((name) => [name, AGAIN] as const);
  const values = shownAgain(form.fields);
  if (model !== undefined) values.set('revision', revisionOf(model));
  return formPage(form, model, { values, errors: new Map([...again, ...errors]), status });
}

/** Someone else has changed the model since the form was rendered. */
function meanwhile({ updatedBy, updatedAt }: StoredModel): FieldErrors {
  const time = updatedAt.toISOString().slice(0, 19).replace('T', ' ');
  return new Map([['', `${updatedBy} has changed this model since you opened the form (${time} UTC). Save again to replace that change.`]]);
}

/** Stored secrets that a new address would delete, and about which the form says nothing. */
function lostSecrets(model: StoredModel, { params }: ModelChange): FieldErrors {
  if (addressKeyOf(model.params) === addressKeyOf({ ...model.params, ...params })) return NO_ERRORS;
  const names = secretNames(model).filter((name) => !(name in params));
  const fields = new Set(FIELDS.map(({ name }) => name));
  const own = names.map((name) => `litellm_params.${name}`).filter((name) => fields.has(name));
  const others = names.filter((name) => !fields.has(`litellm_params.${name}`));
  return new Map([
    ...own.map((name) => [name, MOVED] as const),
    ...(others.length === 0
      ? []
      : [[MORE, `${others.join(', ')}: enter again, or delete with the value null, because the address changes.`] as const]),
  ]);
}

function answerOf({ model, warnings, discarded }: WrittenModel, done: string): FormAnswer {
  const lost = discarded.length === 0 ? [] : [`Deleted, because the address has changed: ${discarded.join(', ')}.`];
  return { redirect: changedLink(model), notice: [`${model.modelName} ${done}`, ...lost, ...warnings].join(' ') };
}

function nameIn(fields: URLSearchParams): string {
  return fields.get('model_name')?.trim() ?? '';
}

function withoutNull({ params, info }: ModelChange): ModelChange {
  const set = (values: ModelChange['params']): ModelChange['params'] =>
    Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));
  return { params: set(params), info: set(info) };
}
