import type { Principal } from '../../http/principal.js';
import { setPrincipal } from '../../http/request-context.js';
import { placeOf } from './queue-place.js';

const requestOf = (headers: object, principal?: Partial<Principal>): object => {
  const request = { headers: { authorization: 'Bearer sk-some-key', ...headers } };
  if (principal !== undefined)
    setPrincipal(request, { limitKey: 'key:a1', tags: [], metadata: {}, isAdmin: false, mayCall: () => true, ...principal });
  return request;
};
const placed = (request: object, asked = {}, options = {}) => placeOf({ request } as never, asked, options);

describe('the place of a call', () => {
  it('is that of the API key whom a guard has authenticated, and of its priority', () => {
    expect(placed(requestOf({}, { priority: 'critical' }))).toEqual({ tenant: 'key:a1', weight: 1, queueClass: 'critical' });
    expect(placed(requestOf({}, {}))).toMatchObject({ tenant: 'key:a1', queueClass: 'default' });
    expect(placed(requestOf({}))).toMatchObject({ tenant: expect.stringMatching(/^key:.{22}$/) as string, queueClass: 'default' });
  });

  it('is lowered by a header, and not raised', () => {
    expect(placed(requestOf({ 'x-litellm-priority': 'batch' }, { priority: 'critical' })).queueClass).toBe('batch');
    expect(placed(requestOf({ 'x-litellm-priority': 'critical' }, { priority: 'batch' })).queueClass).toBe('batch');
  });

  it('comes from the options of the program first', () => {
    const request = requestOf({}, { priority: 'batch' });
    expect(placed(request, { tenant: 'red', queueClass: 'critical' })).toMatchObject({ tenant: 'red', queueClass: 'critical' });
    expect(placed(request, {}, { tenantOf: () => 'blue', classOf: () => 'default' })).toMatchObject({
      tenant: 'blue',
      queueClass: 'default',
    });
  });
});
