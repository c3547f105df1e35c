import type { Principal } from '../../http/principal.js';
import { setPrincipal } from '../../http/request-context.js';
import type { QueueClass } from '../../queue/queue-class.js';
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

  it('of a call without a request is that of the process, unless the program names a tenant', () => {
    expect(placeOf({ model: 'm' }, {}, {})).toEqual({ tenant: 'process', weight: 1, queueClass: 'default' });
    expect(placeOf({ model: 'm' }, { tenant: 'red' }, {}).tenant).toBe('red');
  });

  it.each<[QueueClass, QueueClass, boolean | undefined, QueueClass]>([
    ['default', 'batch', undefined, 'batch'],
    ['default', 'critical', undefined, 'default'],
    ['default', 'critical', false, 'default'],
    ['default', 'critical', true, 'critical'],
    ['critical', 'default', true, 'default'],
  ])('of the class %s, with the priority %s and mayRaise %s, is %s', (own, callerClass, mayRaise, expected) => {
    const options = mayRaise === undefined ? {} : { mayRaise: () => mayRaise };
    expect(placed(requestOf({}), { queueClass: own, callerClass }, options).queueClass).toBe(expected);
    const header = { 'x-litellm-priority': 'batch' };
    expect(placed(requestOf(header), { queueClass: own, callerClass }, options).queueClass).toBe('batch');
  });

  it('asks the functions of the options about the caller, and the weight of the tenant', () => {
    const request = requestOf({});
    const asked: unknown[] = [];
    const options = {
      tenantOf: (caller: unknown) => (asked.push(caller), 'blue'),
      weightOf: (tenant: string) => (asked.push(tenant), 3),
      classOf: (caller: unknown) => (asked.push(caller), 'batch' as const),
    };
    expect(placed(request, {}, options)).toEqual({ tenant: 'blue', weight: 3, queueClass: 'batch' });
    expect(asked).toEqual([{ request }, { request }, 'blue']);
  });

  it.each<[string, object]>([
    ['queue.tenantOf', { tenantOf: () => '' }],
    ['queue.tenant', { tenantOf: () => 'x'.repeat(257) }],
    ['queue.classOf', { classOf: () => 'urgent' }],
    ['queue.weightOf', { weightOf: () => 0.09 }],
    ['queue.weightOf', { weightOf: () => 1_001 }],
    ['queue.weightOf', { weightOf: () => NaN }],
  ])('rejects a wrong result of %s', (path, options) => {
    expect(() => placed(requestOf({}), {}, options)).toThrow(expect.objectContaining({ path }));
  });

  it.each([{ tenantOf: () => 'x'.repeat(256) }, { weightOf: () => 0.1 }, { weightOf: () => 1_000 }])('accepts %p', (options) => {
    expect(() => placed(requestOf({}), {}, options)).not.toThrow();
  });
});
