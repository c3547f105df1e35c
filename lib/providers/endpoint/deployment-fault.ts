import { InvalidConfigurationError } from '../../common/errors.js';

/** Why a deployment cannot be called, and how its operator can fix it. Shows no secret. */
export class DeploymentFault extends InvalidConfigurationError {
  /** Without the path: `no API key: GROQ_API_KEY is not set`. */
  readonly reason: string;
  readonly mend: string;

  /** @param key of `litellm_params` */
  constructor(deploymentId: string, key: string, reason: string, mend: string) {
    super(`deployment ${deploymentId}: litellm_params.${key}`, mend === '' ? reason : `${reason}; ${mend}`);
    this.reason = reason;
    this.mend = mend;
  }
}
