import type { DeploymentFault } from './deployment-fault.js';
import type { RequestBytes } from '../provider-transport.js';

/** A request before it has its credentials. */
export interface UnsignedRequest {
  /** Default: POST. */
  readonly method?: 'DELETE' | 'GET' | 'POST' | 'PUT';
  readonly origin: string;
  /** With its query. */
  readonly path: string;
  /** Names and values in turns. */
  readonly headers: readonly string[];
  readonly body: RequestBytes;
}

/** Credentials that are fetched, renewed or computed for each request. */
export interface RequestAuthorization {
  /**
   * Headers for one request, names and values in turns.
   * @throws DeploymentFault where the operator has to correct something; else the error of
   * the service that grants the credentials.
   */
  headersFor(request: UnsignedRequest): readonly string[] | Promise<readonly string[]>;
  /**
   * Gets new credentials after the provider has rejected the old ones. Returns `false` if there are
   * no newer ones.
   */
  renew(): boolean;
  /**
   * Returns whether an answer reports that the credentials are no longer valid. Default: status
   * 401.
   */
  refuses?(status: number, body: string): boolean;
  /** Why no request can be authorized, such as a missing package. */
  missing?(): DeploymentFault | undefined;
  /** Secrets that messages must not contain. */
  readonly secrets?: readonly string[];
}
