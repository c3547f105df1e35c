import { InvalidArgumentError } from '../common/errors.js';
import { type Fields, isSet } from '../common/objects.js';
import { checkArray, checkObject, checkString, refuseArgument } from '../common/options.js';
import { StoredConfigurationError } from '../configuration/stored/stored-errors.js';
import type { StoredCredential } from '../configuration/stored/stored-records.js';
import type { AdminServices, AdminRequest, AdminRoute } from './admin-routes.js';
import { checkFields } from '../keys/api/key-fields.js';

/** LiteLLM's routes for credentials that several models share. */
export const CREDENTIAL_ROUTES: readonly AdminRoute[] = [
  { method: 'post', path: 'credentials', access: 'master', answer: create },
  { method: 'get', path: 'credentials', access: 'master', answer: list },
  { method: 'get', path: 'credentials/by_name/:name', access: 'master', answer: byName },
  { method: 'get', path: 'credentials/by_model/:id', access: 'master', answer: byModel },
  { method: 'patch', path: 'credentials/:name', access: 'master', answer: update },
  { method: 'delete', path: 'credentials/:name', access: 'master', answer: remove },
];

async function create({ stored }: AdminServices, { body, requester }: AdminRequest): Promise<Fields> {
  const fields = checkFields(body, ['credential_name', 'credential_values', 'credential_info', 'model_id']);
  const { credential_name: name, credential_values: values, credential_info: given, model_id: model } = fields;
  const info = checkObject('credential_info', given ?? {}, refuseArgument);
  if (isSet(values) && isSet(model)) throw new InvalidArgumentError('model_id', model, 'must not be set together with credential_values');
  if (isSet(model))
    await stored.createCredentialOf(checkString('model_id', model, refuseArgument), { name: name as string, info }, requester.by);
  else
    await stored.createCredential(
      { name: name as string, values: checkObject('credential_values', values, refuseArgument), info },
      requester.by,
    );
  return { success: true, message: 'Credential created successfully' };
}

async function list({ stored }: AdminServices): Promise<Fields> {
  return { success: true, credentials: stored.credentials().map(credentialItem) };
}

async function byName({ stored }: AdminServices, { params }: AdminRequest): Promise<Fields> {
  const { name } = params;
  return credentialItem(stored.findCredential(name) ?? notFound(`the credential ${name} does not exist`));
}

async function byModel({ stored }: AdminServices, { params }: AdminRequest): Promise<Fields> {
  const { id } = params;
  const model = stored.find(id) ?? notFound(`the model ${id} is not in the store`);
  const name = stored.credentialOf(id);
  if (name !== undefined) return credentialItem(stored.findCredential(name) ?? notFound(`the credential ${name} does not exist`));
  // As in LiteLLM, a model's own values are shown as an unnamed credential.
  return { credential_name: `${model.modelName}-credential-${id}`, credential_values: model.params, credential_info: {} };
}

/** A masked secret that is sent back keeps the secret. */
async function update({ stored }: AdminServices, { params, body, requester }: AdminRequest): Promise<Fields> {
  const { name } = params;
  const fields = checkFields(body, ['credential_name', 'credential_values', 'credential_info', 'credential_values_to_delete']);
  const { credential_name: named, credential_values: values, credential_info: info, credential_values_to_delete: deleted } = fields;
  if (isSet(named) && named !== name) throw new InvalidArgumentError('credential_name', named, 'must not change');
  const names = checkArray(
    'credential_values_to_delete',
    deleted ?? [],
    (path, each) => checkString(path, each, refuseArgument),
    refuseArgument,
  );
  const changes = {
    values: { ...checkObject('credential_values', values ?? {}, refuseArgument), ...Object.fromEntries(names.map((each) => [each, null])) },
    info: checkObject('credential_info', info ?? {}, refuseArgument),
  };
  const { discarded } = await stored.updateCredential(name, changes, requester.by);
  return { success: true, message: 'Credential updated successfully', discarded_secrets: discarded };
}

async function remove({ stored }: AdminServices, { params, requester }: AdminRequest): Promise<Fields> {
  await stored.removeCredential(params.name, requester.by);
  return { success: true, message: 'Credential deleted successfully' };
}

function credentialItem({ name, values, info, fault }: StoredCredential): Fields {
  return { credential_name: name, credential_values: values, credential_info: info, source: 'db', ...(fault !== undefined && { fault }) };
}

function notFound(message: string): never {
  throw new StoredConfigurationError('CONFIGURATION_NOT_FOUND', message);
}
