import { MethodPatch, type Method } from './method-patch.js';

interface Holder {
  greet: (name: string) => string;
}
const greet = (name: string): string => `hello ${name}`;
const loudly =
  (original: Method): Method =>
  (name: string) =>
    (original as Holder['greet'])(name).toUpperCase();

describe('MethodPatch', () => {
  it('replaces a function and restores it with its original property attributes', () => {
    const holder = Object.defineProperty({}, 'greet', { value: greet, configurable: true, writable: true, enumerable: false }) as Holder;
    const before = Object.getOwnPropertyDescriptor(holder, 'greet');
    const patch = new MethodPatch(holder, 'greet', loudly);
    expect([patch.state, patch.apply(), patch.apply()]).toEqual(['removed', 'applied', 'applied']);
    expect([holder.greet('you'), holder.greet.name, Object.keys(holder)]).toEqual(['HELLO YOU', 'greet', []]);
    expect([patch.remove(), patch.remove()]).toEqual(['removed', 'removed']);
    expect(holder.greet).toBe(greet);
    expect(Object.getOwnPropertyDescriptor(holder, 'greet')).toEqual(before);
    patch.apply();
    expect(holder.greet('you')).toBe('HELLO YOU');
  });

  it('leaves patches that others have put on top', () => {
    const holder: Holder = { greet };
    const patch = new MethodPatch(holder, 'greet', loudly);
    patch.apply();
    const ours = holder.greet;
    const theirs = (name: string): string => `${ours(name)}!`;
    holder.greet = theirs;
    expect(patch.remove()).toBe('covered');
    expect(holder.greet).toBe(theirs);
    // Not a second time on top of theirs: ours is still below.
    expect(patch.apply()).toBe('applied');
    expect(holder.greet).toBe(theirs);
    holder.greet = ours;
    expect(patch.remove()).toBe('removed');
    expect(holder.greet).toBe(greet);
  });

  it('is put on again where others have gone back to the original', () => {
    const holder: Holder = { greet };
    const patch = new MethodPatch(holder, 'greet', loudly);
    patch.apply();
    holder.greet = greet;
    expect(patch.apply()).toBe('applied');
    expect(holder.greet('you')).toBe('HELLO YOU');
  });

  it('does not patch functions that another copy of this package has replaced', () => {
    const holder: Holder = { greet };
    new MethodPatch(holder, 'greet', loudly).apply();
    const theirs = holder.greet;
    const patch = new MethodPatch(holder, 'greet', loudly);
    expect([patch.apply(), patch.remove()]).toEqual(['foreign', 'removed']);
    expect(holder.greet).toBe(theirs);
  });

  it.each<[string, object]>([
    ['there is none', {}],
    ['it is no function', { greet: 1 }],
    ['it is inherited', Object.create({ greet }) as object],
    ['it is fixed', Object.freeze({ greet })],
  ])('replaces nothing where %s', (_, holder) => {
    const before = (holder as Holder).greet;
    expect(new MethodPatch(holder, 'greet', loudly).apply()).toBe('removed');
    expect((holder as Holder).greet).toBe(before);
  });
});
