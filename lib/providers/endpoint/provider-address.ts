/** Where a deployment's operations are. */
export interface ProviderAddress {
  readonly url: URL;
  /** The path before an operation's own. */
  readonly base: string;
  /** With its `?`, or empty. */
  readonly query: string;
  /** Whether the path contains the model, as Azure's does. */
  readonly namesDeployment: boolean;
  /** The header for the key; `undefined`: `authorization`, as a Bearer token. */
  readonly keyHeader: string | undefined;
  /** The base of operations that Azure has at its newer addresses only. */
  readonly v1?: string;
  /** Whether this address uses OpenAI's protocol, regardless of the provider's own. */
  readonly isOpenAICompatible?: boolean;
}
