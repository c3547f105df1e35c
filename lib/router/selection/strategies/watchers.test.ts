import type { Watcher } from './watcher.js';
import { Watchers } from './watchers.js';

/** Says by its name what it was told of. */
function watcher(name: string, told: string[]): Watcher {
  return { update: (position) => void told.push(`${name}${position}`), forget: () => void told.push(name) };
}

describe('watchers', () => {
  it('hear of their slots by their own positions, however many share one and whoever goes first', () => {
    const told: string[] = [];
    const watchers = new Watchers(8);
    const [a, b, c] = ['a', 'b', 'c'].map((name) => watcher(name, told));
    watchers.watch(a, Int32Array.of(5, 3));
    watchers.watch(b, Int32Array.of(3));
    watchers.watch(c, Int32Array.of(1, 2, 3));
    const heard = (slot: number): string => {
      watchers.tell(slot, 0);
      return told.splice(0).join();
    };
    expect([5, 3, 2, 1, 0].map(heard)).toEqual(['a0', 'a1,b0,c2', 'c1', 'c0', '']);
    watchers.unwatch(a);
    expect([5, 3, 2].map(heard)).toEqual(['', 'b0,c2', 'c1']);
    watchers.unwatch(b);
    expect(heard(3)).toBe('c2');
    watchers.forget();
    expect(told.splice(0)).toEqual(['c']);
    watchers.watch(b, Int32Array.of(0, 3));
    expect([3, 0].map(heard)).toEqual(['c2,b1', 'b0']);
  });
});
