import { InvalidConfigurationError } from '../../common/errors.js';

/** Why a deployment cannot be called, and how its operator can fix it. Shows no secret. */
export class DeploymentFault extends InvalidConfigurationError {
  /** Without the path: `no API key: GROQ_API_KEY is not set`. */
  readonly reason: string;
  readonly remedy: string;

  /** @param key of `litellm_params` */
  constructor(deploymentId: string, key: string, reason: string, remedy: string) {
    super(`deployment ${deploymentId}: litellm_params.${key}`, remedy === '' ? reason : `${reason}; ${remedy}`);
    this.reason = reason;
    this.remedy = remedy;
  }
}
