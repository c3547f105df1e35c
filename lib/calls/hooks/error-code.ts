/** The code of an error, else its name; not its message, which may quote a prompt. */
export function errorCodeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown };
  return [code, name].find((each) => typeof each === 'string') ?? 'unknown';
}
