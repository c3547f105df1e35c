import { decoded } from '../common/basic-authorization.js';
import { fieldsOf, trimmedText, type Fields } from '../common/objects.js';
import type { Environment } from '../feature-flags/feature-flags.environment.js';
import { AwsAuthorization, type AwsAccess } from '../providers/bedrock/credentials.js';
import { S3 } from '../providers/bedrock/signature.js';
import { DeploymentFault } from '../providers/endpoint/deployment-fault.js';
import type { CallbackSink } from './delivery.js';
import { GenericApiSink, type GenericApiSettings } from './sinks/generic-api.js';
import { langfuseSpansOf } from './sinks/langfuse-spans.js';
import { otelSpansOf } from './sinks/otel-spans.js';
import { OtlpSink } from './sinks/otlp-sink.js';
import { S3Sink } from './sinks/s3.js';
import type { SinkName } from './sink-names.js';

/** Inputs for creating a sink. */
export interface SinkSource {
  readonly env: Environment;
  /** `callback_settings` of the sink. */
  readonly settings: Fields;
  readonly s3: Fields;
}

/** Thrown when a sink cannot be created: `LANGFUSE_SECRET_KEY must be set`. */
export class SinkFault extends Error {}

const LANGFUSE_INGESTION = '4';
const LANGFUSE_DEFAULT = 'https://cloud.langfuse.com';
const LANGFUSE_OTEL_DEFAULT = 'https://us.cloud.langfuse.com';
const LANGFUSE_PATH = '/api/public/otel';
const TRACES = '/v1/traces';
const SERVICE = 'litellm';
const FORMATS = ['json_array', 'ndjson', 'single'] as const;
const HTTP_EXPORTERS = ['otlp_http', 'http/json', 'http/protobuf'];
const PLAIN_URL = /^https?:\/\//;

/** @throws SinkFault naming the missing or invalid variable or setting */
export function createSink(kind: SinkName, name: string, source: SinkSource): CallbackSink {
  if (kind === 'generic_api') return new GenericApiSink(genericApi(name, source));
  if (kind === 's3_v2') return s3(source);
  return kind === 'otel' ? otel(source) : langfuse(kind, source);
}

function langfuse(name: 'langfuse' | 'langfuse_otel', { env, settings }: SinkSource): CallbackSink {
  const [publicKey, secretKey] = [needed(env, 'LANGFUSE_PUBLIC_KEY'), needed(env, 'LANGFUSE_SECRET_KEY')];
  const variable = ['LANGFUSE_OTEL_HOST', 'LANGFUSE_HOST', 'LANGFUSE_BASE_URL'].find(
    (each) => (name === 'langfuse_otel' || each !== 'LANGFUSE_OTEL_HOST') && trimmedText(env[each]) !== undefined,
  );
  const given = variable === undefined ? undefined : (trimmedText(env[variable]) as string);
  const host = given ?? (name === 'langfuse' ? LANGFUSE_DEFAULT : LANGFUSE_OTEL_DEFAULT);
  // LiteLLM accepts a host without `https://`.
  const base = checkUrl(variable ?? 'LANGFUSE_HOST', PLAIN_URL.test(host) ? host : `https://${host}`);
  const environment = trimmedText(env.LANGFUSE_TRACING_ENVIRONMENT);
  const release = trimmedText(env.LANGFUSE_RELEASE);
  return new OtlpSink({
    name,
    url: withEnd(withEnd(base, LANGFUSE_PATH), TRACES),
    headers: {
      authorization: `Basic ${Buffer.from(`${publicKey}:${secretKey}`).toString('base64')}`,
      'x-langfuse-ingestion-version': LANGFUSE_INGESTION,
    },
    resource: { 'service.name': trimmedText(env.OTEL_SERVICE_NAME) ?? SERVICE },
    spansOf: (payload) => langfuseSpansOf(payload, environment, release),
    withoutTexts: isTextless(settings),
  });
}

function otel({ env, settings }: SinkSource): CallbackSink {
  const exporter = trimmedText(env.OTEL_EXPORTER_OTLP_PROTOCOL) ?? trimmedText(env.OTEL_EXPORTER);
  if (exporter !== undefined && exporter !== 'console' && !HTTP_EXPORTERS.includes(exporter))
    throw new SinkFault('OTEL_EXPORTER must be otlp_http, because gRPC is not supported (OTLP over HTTP usually uses port 4318)');
  const traces = trimmedText(env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT);
  const variable = trimmedText(env.OTEL_EXPORTER_OTLP_ENDPOINT) === undefined ? 'OTEL_ENDPOINT' : 'OTEL_EXPORTER_OTLP_ENDPOINT';
  const url =
    traces === undefined
      ? withEnd(checkUrl(variable, needed(env, variable)), TRACES)
      : checkUrl('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', traces);
  const headers = [env.OTEL_EXPORTER_OTLP_TRACES_HEADERS, env.OTEL_EXPORTER_OTLP_HEADERS, env.OTEL_HEADERS].find(
    (each) => trimmedText(each) !== undefined,
  );
  const ownRequestSpan = isOn(env.USE_OTEL_LITELLM_REQUEST_SPAN);
  return new OtlpSink({
    name: 'otel',
    url,
    headers: headersIn(headers),
    resource: {
      'service.name': trimmedText(env.OTEL_SERVICE_NAME) ?? SERVICE,
      'deployment.environment': trimmedText(env.OTEL_ENVIRONMENT_NAME),
    },
    spansOf: (payload) => otelSpansOf(payload, ownRequestSpan),
    withoutTexts: isTextless(settings),
  });
}

function genericApi(name: string, { env, settings }: SinkSource): GenericApiSettings {
  const path = `callback_settings.${name}`;
  const endpoint = trimmedText(settings.endpoint) ?? trimmedText(env.GENERIC_LOGGER_ENDPOINT);
  if (endpoint === undefined) throw new SinkFault(`GENERIC_LOGGER_ENDPOINT or ${path}.endpoint must be set`);
  const format = FORMATS.find((each) => each === (settings.log_format ?? FORMATS[0]));
  if (format === undefined) throw new SinkFault(`${path}.log_format must be one of ${FORMATS.join(', ')}`);
  const types: readonly unknown[] | undefined = Array.isArray(settings.event_types) ? settings.event_types : undefined;
  const own = Object.entries(fieldsOf(settings.headers)).filter(([, value]) => typeof value === 'string' || typeof value === 'number');
  return {
    name,
    endpoint: checkUrl(settings.endpoint === undefined ? 'GENERIC_LOGGER_ENDPOINT' : `${path}.endpoint`, endpoint),
    headers: {
      ...headersIn(env.GENERIC_LOGGER_HEADERS),
      ...Object.fromEntries(own.map(([header, value]) => [header.toLowerCase(), String(value)])),
    },
    format,
    onSuccess: types === undefined || types.includes('llm_api_success'),
    onFailure: types === undefined || types.includes('llm_api_failure'),
    signingSecret: trimmedText(settings.signing_secret) ?? trimmedText(env.GENERIC_LOGGER_SIGNING_SECRET),
    withoutTexts: isTextless(settings),
  };
}

function s3({ env, settings, s3: params }: SinkSource): CallbackSink {
  const at = 's3_callback_params';
  const bucket = trimmedText(params.s3_bucket_name);
  if (bucket === undefined) throw new SinkFault(`${at}.s3_bucket_name must be set`);
  const region = trimmedText(params.s3_region_name) ?? trimmedText(env.AWS_REGION_NAME) ?? trimmedText(env.AWS_REGION) ?? 'us-east-1';
  const endpoint = trimmedText(params.s3_endpoint_url);
  const own = Object.entries(params).flatMap(([key, value]) => (key.startsWith('s3_aws_') ? [[key.slice('s3_'.length), value]] : []));
  const authorization = awsAuthorization({ params: Object.fromEntries(own) as Fields, env, region, deploymentId: at });
  return new S3Sink({
    bucket,
    region,
    endpoint: endpoint === undefined ? undefined : checkUrl(`${at}.s3_endpoint_url`, endpoint),
    path: (trimmedText(params.s3_path) ?? '')
      .split('/')
      .filter((part) => part !== '')
      .join('/'),
    withTeam: isOn(params.s3_use_team_prefix),
    withKey: isOn(params.s3_use_key_prefix),
    inBatches: isOn(params.s3_batch_file_upload),
    authorization,
    withoutTexts: isTextless(settings) || isOn(params.turn_off_message_logging),
  });
}

function awsAuthorization(access: Pick<AwsAccess, 'params' | 'env' | 'region' | 'deploymentId'>): AwsAuthorization {
  let fault: unknown;
  try {
    const authorization = new AwsAuthorization({ ...access, takesEnvironment: true, service: S3 });
    fault = authorization.missing();
    if (fault === undefined) return authorization;
  } catch (error) {
    fault = error;
  }
  if (!(fault instanceof DeploymentFault)) throw fault;
  // S3 has no bearer tokens.
  const remedy = fault.remedy.replace('AWS_BEARER_TOKEN_BEDROCK, or ', '').replace(', or set AWS_BEARER_TOKEN_BEDROCK', '');
  const key = fault.path.slice(fault.path.lastIndexOf('.') + 1);
  const problem = fault.reason.startsWith('must ') ? `.s3_${key} ${fault.reason}` : `: ${fault.reason}`;
  throw new SinkFault(`${access.deploymentId}${problem}${remedy === '' ? '' : `; ${remedy}`}`);
}

/** `callback_settings.otel.message_logging: false`, or LiteLLM's equivalent setting. */
function isTextless({ message_logging: logging, turn_off_message_logging: off }: Fields): boolean {
  return logging === false || isOn(off);
}

function needed(env: Environment, variable: string): string {
  const value = trimmedText(env[variable]);
  if (value === undefined) throw new SinkFault(`${variable} must be set`);
  return value;
}

/** The error does not quote the address, because it can contain a password. */
function checkUrl(path: string, value: string): string {
  if (PLAIN_URL.test(value) && URL.canParse(value)) {
    let end = value.length;
    while (value[end - 1] === '/') end--;
    return value.slice(0, end);
  }
  throw new SinkFault(`${path} must be an http:// or https:// URL`);
}

function withEnd(url: string, end: string): string {
  return url.endsWith(end) ? url : `${url}${end}`;
}

/** Parses OpenTelemetry's `name=value,name=value` with percent-encoded values. */
function headersIn(text: string | undefined): Record<string, string> {
  const pairs = (text ?? '').split(',').flatMap((pair) => {
    const at = pair.indexOf('=');
    return at < 1 ? [] : [[pair.slice(0, at).trim().toLowerCase(), decoded(pair.slice(at + 1).trim())]];
  });
  return Object.fromEntries(pairs) as Record<string, string>;
}

function isOn(value: unknown): boolean {
  return value === true || (typeof value === 'string' && /^(?:true|1)$/i.test(value));
}
