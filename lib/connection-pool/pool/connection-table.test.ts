import { BareConnection, BareEndpoint } from '../engine/self-test.js';
import { ConnectionTable } from './connection-table.js';
import { TypeScriptConnectionPoolEngine } from '../engine/typescript.js';

const MOST = 65_535;

describe('the table of connections', () => {
  const limits = { maxConnections: MOST, maxConnectionsPerEndpoint: MOST, maxIdleMs: 100 };
  const endpoint = new BareEndpoint('http://a');
  let table: ConnectionTable<BareConnection>;
  beforeEach(() => (table = new ConnectionTable(new TypeScriptConnectionPoolEngine().join(null, MOST), limits)));
  const open = (): BareConnection => table.leased(table.open(endpoint, (id) => new BareConnection(endpoint, id, Infinity)));

  it('goes round the generations of a slot, and no id is 0, negative or the one before', () => {
    const connection = open();
    let last = connection.id;
    const first = last;
    let isRound = false;
    for (let lease = 0; lease < 2 ** 15; lease++) {
      table.giveBack(connection, 0);
      const id = table.lease(endpoint, connection);
      if (id <= 0 || id === last || table.leased(id) !== connection || table.find(last) !== undefined)
        throw new Error(`${id} after ${last}`);
      isRound ||= id === first;
      last = id;
    }
    expect(isRound).toBe(true);
    table.remove(connection);
  });

  it('gives a slot that is free again another id, and keeps nothing of a connection that could not be made', () => {
    const { id } = open();
    table.remove(table.leased(id));
    const fail = (): never => {
      throw new Error('no socket');
    };
    expect(() => table.open(endpoint, fail)).toThrow('no socket');
    expect([table.size, endpoint.connections, endpoint.place]).toEqual([0, 0, -1]);
    const again = open();
    expect(again.id).not.toBe(id);
    expect(again.id & MOST).toBe(id & MOST);
    expect(table.find(id)).toBeUndefined();
    table.remove(again);
  });

  it('gives each its own slot where one is made while another is', () => {
    const inner: BareConnection[] = [];
    const outer = table.leased(
      table.open(endpoint, (id) => {
        inner.push(open());
        return new BareConnection(endpoint, id, Infinity);
      }),
    );
    expect(table.find(outer.id)).toBe(outer);
    expect(table.find(inner[0].id)).toBe(inner[0]);
    table.remove(outer);
    table.remove(inner[0]);
    expect([table.size, endpoint.connections]).toEqual([0, 0]);
  });

  it('removes idle connections at any position, and leases the others from the last to the first', () => {
    const all = Array.from({ length: 4 }, open);
    for (const connection of all) table.giveBack(connection, 0);
    table.remove(all[1]);
    table.remove(all[3]);
    expect(endpoint.idle).toBe(all[2]);
    table.lease(endpoint, all[2]);
    expect(endpoint.idle).toBe(all[0]);
    table.lease(endpoint, all[0]);
    expect(endpoint.idle).toBeUndefined();
    table.remove(all[0]);
    table.remove(all[2]);
    expect(table.size).toBe(0);
  });
});
