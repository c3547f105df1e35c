import { CallHook } from './call-hook.js';
import { discoverHooks } from './hook-discovery.js';

@CallHook({ timeoutMs: 7 })
class Guard {}
@CallHook()
class Other {}
class Plain {}

const wrapperOf = (instance: unknown, more: object = {}) => ({
  instance,
  token: Guard,
  name: 'Guard',
  metatype: undefined,
  isAlias: false,
  isDependencyTreeStatic: () => true,
  ...more,
});
const found = (...wrappers: readonly object[]) => discoverHooks({ getProviders: () => wrappers } as never);

describe('discoverHooks', () => {
  it.each([undefined, null, 'text', 7, Object.create(null), {}, new Plain()])('leaves the provider %p out', (instance) => {
    expect(found(wrapperOf(instance))).toEqual([]);
  });

  it('finds providers by their class, or by the class that a factory stands for', () => {
    const [guard, made] = [new Guard(), {}];
    expect(found(wrapperOf(guard), wrapperOf(made, { token: 'made', metatype: Other }))).toMatchObject([
      { hook: guard, options: { timeoutMs: 7 } },
      { hook: made, options: {} },
    ]);
  });

  it('finds a hook once', () => {
    const guard = new Guard();
    const wrappers = [guard, guard, new Guard()].map((each) => wrapperOf(each));
    expect(
      found(...wrappers, wrapperOf(guard, { token: 'alias' }), wrapperOf(new Guard(), { token: 'alias', isAlias: true })),
    ).toHaveLength(1);
    expect(found(wrapperOf(guard), wrapperOf(new Guard(), { token: 'second' }))).toHaveLength(2);
    expect(found(wrapperOf(guard), wrapperOf(new Other()))).toHaveLength(2);
  });

  it('rejects a hook of the scope of requests', () => {
    expect(() => found(wrapperOf(new Guard(), { isDependencyTreeStatic: () => false }))).toThrow('hooks.Guard');
    expect(found(wrapperOf(new Plain(), { isDependencyTreeStatic: () => false }))).toEqual([]);
  });
});
