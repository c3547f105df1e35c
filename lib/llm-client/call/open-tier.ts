import { InvalidConfigurationError } from '../../common/errors.js';
import { DeploymentMisconfiguredError } from '../../common/http-errors.js';
import type { RouterPick } from './call-router.js';
import type { CallFailure } from './provider-failure.js';

/** What the rules of retrying go by. */
export class FailedAttempt {
  constructor(
    readonly pick: RouterPick,
    readonly failure: CallFailure,
  ) {}
}

/** The priority tier that is tried at the moment. */
export class OpenTier {
  /** Ids that have failed. */
  readonly tried: string[] = [];
  /** Whether one that has failed may be tried again. */
  repeats = true;

  constructor(readonly pick: RouterPick) {}

  failed({ pick, failure }: FailedAttempt): void {
    this.tried.push(pick.deployment.id);
    // What is wrong with its configuration is wrong the next time, too.
    this.repeats = !(failure.error instanceof InvalidConfigurationError || failure.error instanceof DeploymentMisconfiguredError);
  }
}
