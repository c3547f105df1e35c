import { ReturningQueue, type Returning } from './returning-queue.js';

class Connection implements Returning<Connection> {
  isBusy = true;
  usable = true;
  older: Connection | undefined;
  newer: Connection | undefined;
}

function lineOf(count: number): { line: ReturningQueue<Connection>; all: Connection[] } {
  const line = new ReturningQueue<Connection>();
  const all = Array.from({ length: count }, () => new Connection());
  for (const connection of all) line.add(connection);
  return { line, all };
}

/** In order, forwards, and the same backwards. */
function listed(line: ReturningQueue<Connection>): Connection[] {
  const found: Connection[] = [];
  for (let each = line.first; each !== undefined; each = each.newer) found.push(each);
  const back: Connection[] = [];
  for (let each = found.at(-1); each !== undefined; each = each.older) back.unshift(each);
  expect(back).toEqual(found);
  return found;
}

describe('connections that come back by themselves', () => {
  it('are in the order of their requests when others leave', () => {
    const { line, all } = lineOf(4);
    line.delete(all[1]);
    line.delete(all[1]);
    expect(listed(line)).toEqual([all[0], all[2], all[3]]);
    line.delete(all[3]);
    line.add(all[1]);
    expect(listed(line)).toEqual([all[0], all[2], all[1]]);
    for (const connection of all) line.delete(connection);
    expect(listed(line)).toEqual([]);
    line.add(all[2]);
    expect(listed(line)).toEqual([all[2]]);
  });

  it('give the first that is over and usable, of those that are looked at', () => {
    const { line, all } = lineOf(3);
    expect(line.ready(2)).toBeUndefined();
    all[2].isBusy = false;
    expect(line.ready(2)).toBeUndefined();
    expect(line.ready(3)).toBe(all[2]);
    all[1].isBusy = false;
    expect(line.ready(2)).toBe(all[1]);
    all[1].usable = false;
    expect(line.ready(2)).toBeUndefined();
    expect(lineOf(0).line.ready(8)).toBeUndefined();
  });

  it('are not blocked by one whose answer takes long', () => {
    const { line, all } = lineOf(4);
    all[3].isBusy = false;
    let looks = 0;
    while (line.ready(2) === undefined) expect(++looks).toBeLessThan(50);
    expect(line.ready(2)).toBe(all[3]);
    expect(listed(line)).toHaveLength(4);
  });
});
