import { InvalidArgumentError } from '../common/errors.js';
import { fieldsOf, isObject, type Fields } from '../common/objects.js';
import { checkObject, checkOneOf, checkString, refuseArgument } from '../common/options.js';
import type { ConfigurationVersion } from '../configuration/configuration-version.js';
import { StoredConfigurationError } from '../configuration/stored/stored-errors.js';
import type { AdminServices, AdminRequest, AdminRoute } from './admin-routes.js';
import { checkFields } from '../keys/api/key-fields.js';

/** LiteLLM's routes for settings, and those for versions of the configuration. */
export const CONFIGURATION_ROUTES: readonly AdminRoute[] = [
  { method: 'get', path: 'config/version', access: 'master', answer: version },
  { method: 'post', path: 'config/reload', access: 'master', answer: reload },
  { method: 'get', path: 'config/list', access: 'master', answer: list },
  { method: 'get', path: 'config/field/info', access: 'master', answer: info },
  { method: 'post', path: 'config/field/update', access: 'master', answer: updateField },
  { method: 'post', path: 'config/field/delete', access: 'master', answer: deleteField },
  { method: 'post', path: 'config/update', access: 'master', answer: update },
];

const SECTIONS = ['general_settings', 'litellm_settings', 'router_settings'] as const;
/** LiteLLM's name of a section in these routes, and its default. */
const SECTION_FIELD = 'config_type';

/**
 * The configuration in use, how it differs from the one before, and the newest one if it was
 * rejected.
 */
async function version({ configuration }: AdminServices): Promise<Fields> {
  const rejected = configuration.rejected();
  return {
    ...versionFields(configuration.current()),
    history: configuration.history().map(versionFields),
    rejected: rejected && { at: rejected.at.toISOString(), cause: rejected.cause, message: rejected.message },
  };
}

/**
 * Reads the file again. A file that is invalid or removes protection is rejected with 400; nothing
 * changes then.
 */
async function reload({ configuration }: AdminServices): Promise<Fields> {
  return versionFields(await configuration.reload('api'));
}

function versionFields({ version: number, at, digest, cause, changes }: ConfigurationVersion): Fields {
  return { version: number, at: at.toISOString(), digest, cause, changes };
}

/** The settings of a section, with secrets masked. */
async function list({ configuration }: AdminServices, { query }: AdminRequest): Promise<readonly Fields[]> {
  const section = sectionIn(query);
  const paths = configuration.settingPaths().filter((path) => path.startsWith(`${section}.`));
  return paths.map((path) => {
    const { source, value } = configuration.settingAt(path);
    return {
      field_name: path.slice(section.length + 1),
      field_type: typeOf(value),
      field_description: '',
      field_value: value,
      stored_in_db: source === 'store',
      field_default_value: null,
      source: source === 'file' ? 'config' : 'db',
      editable: source !== 'file',
    };
  });
}

async function info({ configuration }: AdminServices, { query }: AdminRequest): Promise<Fields> {
  const { field_name: name } = fieldsOf(query);
  const { source, value } = configuration.settingAt(`${sectionIn(query)}.${fieldName(name)}`);
  if (source === 'unset') throw new InvalidArgumentError('field_name', name, 'is not set');
  return { field_name: name, field_value: value, source: source === 'file' ? 'config' : 'db', editable: source !== 'file' };
}

async function updateField(services: AdminServices, request: AdminRequest): Promise<Fields> {
  const { field_name: name, field_value: value } = checkFields(request.body, ['field_name', 'field_value', SECTION_FIELD]);
  if (value === undefined || value === null) throw new InvalidArgumentError('field_value', value, 'must be set');
  return store(services, request, new Map([[`${sectionIn(request.body)}.${fieldName(name)}`, value]]));
}

/** Several settings at once: all of them, or none. */
async function update(services: AdminServices, request: AdminRequest): Promise<Fields> {
  const sections = checkFields(request.body, [...SECTIONS]);
  const given = Object.entries(sections).flatMap(([section, settings]) =>
    Object.entries(checkObject(section, settings, refuseArgument)).map(([key, value]): [string, unknown] => [`${section}.${key}`, value]),
  );
  if (given.length === 0) throw new InvalidArgumentError('body', undefined, `must set at least one of ${SECTIONS.join(', ')}`);
  return store(services, request, new Map(given));
}

async function deleteField({ configuration, stored }: AdminServices, { body, requester }: AdminRequest): Promise<Fields> {
  const { field_name: name } = checkFields(body, ['field_name', SECTION_FIELD]);
  const path = `${sectionIn(body)}.${fieldName(name)}`;
  if (configuration.settingAt(path).source === 'file') throw inFile(path);
  const left = new Map(stored.settings());
  if (!left.delete(path)) throw new InvalidArgumentError('field_name', name, 'was not set through the API');
  configuration.checkStoredSettings(left);
  await stored.removeSetting(path, requester.by);
  return { message: `${path} deleted` };
}

/** Checks all settings with those of the store, and only then writes them. */
async function store(
  { configuration, stored }: AdminServices,
  { requester }: AdminRequest,
  settings: Map<string, unknown>,
): Promise<Fields> {
  const ofFile = [...settings.keys()].find((path) => configuration.settingAt(path).source === 'file');
  if (ofFile !== undefined) throw inFile(ofFile);
  configuration.checkStoredSettings(new Map([...stored.settings(), ...settings]));
  for (const [path, value] of settings) await stored.putSetting(path, value, requester.by);
  return { message: `${[...settings.keys()].join(', ')} updated`, ...versionFields(configuration.current()) };
}

/** The API cannot change settings of the file. */
function inFile(path: string): StoredConfigurationError {
  return new StoredConfigurationError('CONFIGURATION_IN_FILE', `the configuration file sets ${path}; change it there`);
}

function sectionIn(from: unknown): (typeof SECTIONS)[number] {
  const { [SECTION_FIELD]: section = 'general_settings' } = fieldsOf(from);
  return checkOneOf(SECTION_FIELD, section, SECTIONS, refuseArgument);
}

function fieldName(name: unknown): string {
  return checkString('field_name', name, refuseArgument);
}

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return 'List';
  if (isObject(value)) return 'Dict';
  const kind = typeof value;
  return kind === 'number' ? (Number.isInteger(value) ? 'Integer' : 'Float') : kind === 'boolean' ? 'Boolean' : 'String';
}
