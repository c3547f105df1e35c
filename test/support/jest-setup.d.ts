/** Returns the URL of the server for tests; an empty one, and a line, if none answers. */
export function postgresUrl(
  named: string | undefined,
  options?: { readonly usual?: string; readonly say?: (line: string) => void },
): Promise<string>;
