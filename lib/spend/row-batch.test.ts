import { RowBatch } from './row-batch.js';

const row = (id: number, text = ''): string => JSON.stringify({ id, text });

describe('a batch of rows', () => {
  it('is a JSON array, also while rows are added', () => {
    const batch = new RowBatch();
    expect(batch.json().toString()).toBe('[]');
    batch.add(row(1));
    expect(JSON.parse(batch.json().toString())).toEqual([{ id: 1, text: '' }]);
    batch.add(row(2));
    expect(JSON.parse(batch.json().toString())).toHaveLength(2);
  });

  it('keeps rows of any length and script, and reports their size in bytes', () => {
    const rows = Array.from({ length: 300 }, (_, id) => row(id, ['é', '漢字', '𝒳', 'plain'][id % 4].repeat((id * 37) % 5_000)));
    const batch = new RowBatch();
    const size = rows.reduce((sum, each) => sum + batch.add(each), 0);
    expect(batch.rows()).toEqual(rows);
    expect(batch.json().toString()).toBe(`[${rows.join(',')}]`);
    expect([batch.count, batch.size]).toEqual([300, size]);
    expect(size).toBe(Buffer.byteLength(rows.join(',')));
  });

  it('starts empty in a buffer that another batch has left', () => {
    const first = RowBatch.of([row(1), row(2)]);
    first.recycle();
    const second = RowBatch.of([row(3)]);
    expect([first.count, second.count]).toEqual([0, 1]);
    const third = RowBatch.of([row(4)]);
    expect([second.rows(), third.rows()]).toEqual([[row(3)], [row(4)]]);
  });
});
