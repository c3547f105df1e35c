/** Versions of Node that the package runs on, as in its manifest. */
export const SUPPORTED_NODE = '^20.19.0 || ^22.12.0 || >=24';

/** Whether it is a version of Node that the package runs on. */
export function isSupportedNode(version: string): boolean {
  const [major, minor] = version.split('.').map(Number);
  return major >= 24 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19);
}
