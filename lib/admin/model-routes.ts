import { InvalidArgumentError } from '../common/errors.js';
import { type Fields, fieldsOf, isSet } from '../common/objects.js';
import { checkKnownKeys, checkObject, checkString, refuseArgument } from '../common/options.js';
import type { StoredModel } from '../configuration/stored/stored-records.js';
import type { WrittenModel } from '../configuration/stored/stored-models.js';
import type { AdminServices, AdminRequest, AdminRoute } from './admin-routes.js';
import { checkFields } from '../keys/api/key-fields.js';

const ENTRY = ['model_name', 'litellm_params', 'model_info'];
/** LiteLLM's dashboard sends them. */
const IGNORED = ['db_model', 'created_at', 'created_by', 'updated_at', 'updated_by', 'model_id'];

/** LiteLLM's routes that change models. */
export const MODEL_ROUTES: readonly AdminRoute[] = [
  { method: 'post', path: 'model/new', access: 'master', answer: create },
  { method: 'post', path: 'model/update', access: 'master', answer: update },
  {
    method: 'patch',
    path: 'model/:id/update',
    access: 'master',
    answer: (services, request) => updateNamed(services, request, request.params.id),
  },
  { method: 'post', path: 'model/delete', access: 'master', answer: remove },
  { method: 'post', path: 'model/block', access: 'master', answer: (services, request) => block(services, request, true) },
  { method: 'post', path: 'model/unblock', access: 'master', answer: (services, request) => block(services, request, false) },
];

async function create({ stored }: AdminServices, { body, requester }: AdminRequest): Promise<Fields> {
  const { model_name: modelName, litellm_params: params, model_info: info } = entryIn(body);
  const model = { modelName: modelName as string, params: params as Fields, info: fieldsIn('model_info', info) };
  return writtenRow(await stored.create(model, requester.by));
}

async function update(services: AdminServices, request: AdminRequest): Promise<Fields> {
  // LiteLLM's Python client sends it twice.
  const { id: named, ...body } = fieldsOf(request.body);
  const { id = named } = fieldsOf(body.model_info);
  return updateNamed(services, { ...request, body }, checkString('model_info.id', id, refuseArgument));
}

/** As in LiteLLM, `null` keeps a value, so clients can send whole forms. */
async function updateNamed({ stored }: AdminServices, { body, requester }: AdminRequest, id: string): Promise<Fields> {
  const { model_name: modelName, litellm_params: params, model_info: info } = entryIn(body);
  const { id: named, ...facts } = fieldsIn('model_info', info);
  if (named !== undefined && named !== id) throw new InvalidArgumentError('model_info.id', named, 'must not change');
  const changes = {
    ...(isSet(modelName) && { modelName: modelName as string }),
    params: withoutNull(fieldsIn('litellm_params', params)),
    info: withoutNull(facts),
  };
  return writtenRow(await stored.update(id, changes, requester.by));
}

async function remove({ stored }: AdminServices, { body, requester }: AdminRequest): Promise<Fields> {
  const { id } = checkFields(body, ['id']);
  const model = await stored.remove(checkString('id', id, refuseArgument), requester.by);
  return { message: `Model: ${model.id} deleted successfully` };
}

async function block({ stored }: AdminServices, { body, requester }: AdminRequest, isBlocked: boolean): Promise<Fields> {
  const { model_id: id } = checkFields(body, ['model_id']);
  return writtenRow(await stored.update(checkString('model_id', id, refuseArgument), { isBlocked }, requester.by));
}

/** LiteLLM's row of a model, with masked secrets in place of encrypted ones. */
export function modelRow({ id, modelName, params, info, isBlocked, fault, ...by }: StoredModel): Fields {
  return {
    model_id: id,
    model_name: modelName,
    litellm_params: params,
    model_info: { ...info, id, db_model: true },
    blocked: isBlocked,
    created_at: by.createdAt.toISOString(),
    created_by: by.createdBy,
    updated_at: by.updatedAt.toISOString(),
    updated_by: by.updatedBy,
    ...(fault !== undefined && { fault }),
  };
}

function writtenRow({ model, warnings, discarded }: WrittenModel): Fields {
  return { ...modelRow(model), warnings, discarded_secrets: discarded };
}

function entryIn(body: unknown): Fields {
  const { ...fields } = checkObject('body', body ?? {}, refuseArgument);
  for (const name of IGNORED) delete (fields as Record<string, unknown>)[name];
  checkKnownKeys('', fields, ENTRY, refuseArgument);
  return fields;
}

function fieldsIn(path: string, value: unknown): Fields {
  return checkObject(path, value ?? {}, refuseArgument);
}

function withoutNull(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => isSet(value)));
}
