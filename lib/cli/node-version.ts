/** Supported Node versions, as in the manifest. */
export const SUPPORTED_NODE = '^20.19.0 || ^22.12.0 || >=24';

/** Whether the package supports a Node version. */
export function isSupportedNode(version: string): boolean {
  const [major, minor] = version.split('.').map(Number);
  return major >= 24 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19);
}
