/** Where to listen. */
export interface ListenAddress {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

/** Why the app could not start. The message is complete: no stack is needed. */
export class StartError extends Error {}

const MAX_PORT = 65_535;

/**
 * Reads `PORT` (default 3000; 0: a free port) and `HOST` (default 127.0.0.1: this machine only).
 * @throws StartError naming the variable.
 */
export function listenAddress(env: Readonly<Record<string, string | undefined>>): ListenAddress {
  const port = env.PORT?.trim() || '3000';
  if (!/^\d{1,5}$/.test(port) || Number(port) > MAX_PORT)
    throw new StartError(`PORT must be a number from 0 to ${MAX_PORT}, got ${JSON.stringify(port)}`);
  return { host: env.HOST?.trim() || '127.0.0.1', port: Number(port) };
}

/** The `StartError` for a failed `listen`. */
export function listenFailure(error: Error & { code?: string }, { host, port }: ListenAddress): string {
  switch (error.code) {
    case 'EADDRINUSE':
      return `port ${port} on ${host} is taken: set PORT to another one, or to 0 for any that is free`;
    case 'EACCES':
      return `port ${port} on ${host} is not allowed to this user: set PORT to 1024 or above`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EADDRNOTAVAIL':
      return `${host} is no address of this machine: set HOST to one that is`;
    default:
      return error.message;
  }
}
