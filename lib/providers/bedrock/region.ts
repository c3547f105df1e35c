import type { Environment } from '../../feature-flags/feature-flags.environment.js';
import { DeploymentFault } from '../endpoint/deployment-fault.js';

const REGION = /^[a-z0-9-]{1,63}$/;
const OF_ARN = /^(?:nova(?:-2)?\/)?arn:[a-z-]+:[a-z]+:([a-z0-9-]+):/;
/** LiteLLM's default. */
const DEFAULT = 'us-west-2';
const VARIABLES = ['AWS_REGION_NAME', 'AWS_REGION', 'AWS_DEFAULT_REGION'];
/** A region before a model: `bedrock/eu-west-1/anthropic.claude-…`. */
const BEFORE_MODEL = /^([a-z]{2}(?:-[a-z]+){1,3}-\d)\//;
const ROUTE = /^(?:bedrock\/)?(?:converse\/)?/;

/** The model without `bedrock/`, `converse/` and a region. */
export function modelWithoutRegion(model: string): string {
  return withoutRoute(model).replace(BEFORE_MODEL, '');
}

/** The region of an ARN, or before a model. */
export function regionInModel(model: string): string | undefined {
  const name = withoutRoute(model);
  return OF_ARN.exec(name)?.[1] ?? BEFORE_MODEL.exec(name)?.[1];
}

/** Stated, of the model's name or of the environment. @throws DeploymentFault for a wrong one */
export function bedrockRegion(params: Readonly<Record<string, unknown>>, env: Environment, deploymentId: string): string {
  const { model, model_id: id, aws_region_name: stated } = params;
  const ofModel = [id, model].filter((each) => typeof each === 'string').map(regionInModel);
  const region = [stated, ...ofModel, ...VARIABLES.map((name) => env[name])].find((each) => typeof each === 'string' && each.trim() !== '');
  if (region === undefined) return DEFAULT;
  const trimmed = (region as string).trim();
  if (REGION.test(trimmed)) return trimmed;
  throw new DeploymentFault(
    deploymentId,
    'aws_region_name',
    'must contain only lower-case letters, digits and hyphens',
    'for example us-east-1',
  );
}

/** The default address. */
export function bedrockBase(region: string): string {
  return `https://bedrock-runtime.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
}

function withoutRoute(model: string): string {
  return model.slice((ROUTE.exec(model) as RegExpExecArray)[0].length);
}
