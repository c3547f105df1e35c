import { ReportSlots } from './report-slots.js';

describe('ReportSlots', () => {
  it.each([
    [undefined, 3],
    [30, 3],
    [6, 2],
    [2, 1],
  ])('with a pool of %s connections runs %i statements at a time, in their order', async (connections, most) => {
    const slots = new ReportSlots(connections);
    let [running, highest] = [0, 0];
    const done: number[] = [];
    const task = (at: number) =>
      slots.run(async () => {
        highest = Math.max(highest, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running--;
        done.push(at);
        if (at % 3 === 0) throw new Error('failed');
      });
    await Promise.allSettled(Array.from({ length: 20 }, (_, at) => task(at)));
    expect([highest, running, done]).toEqual([most, 0, Array.from({ length: 20 }, (_, at) => at)]);
  });

  it('rejects a statement that would wait behind 200 others', async () => {
    const slots = new ReportSlots(1);
    let end = (): void => {};
    const first = slots.run(() => new Promise<void>((resolve) => (end = resolve)));
    const waiting = Array.from({ length: 200 }, () => slots.run(() => Promise.resolve()));
    await expect(slots.run(() => Promise.resolve())).rejects.toThrow('200 reports are already waiting; request fewer at a time');
    end();
    await Promise.all([first, ...waiting]);
    await slots.run(() => Promise.resolve());
  });
});
