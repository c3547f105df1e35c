import { isSupportedNode } from './node-version.js';

describe('isSupportedNode', () => {
  it.each(['20.19.0', '20.20.2', '22.12.0', '22.20.0', '24.0.0', '26.1.0', '100.0.0'])('accepts %s', (version) =>
    expect(isSupportedNode(version)).toBe(true),
  );
  it.each(['14.21.3', '16.20.2', '18.20.8', '20.18.3', '21.7.3', '22.11.0', '23.11.1'])('refuses %s', (version) =>
    expect(isSupportedNode(version)).toBe(false),
  );
});
