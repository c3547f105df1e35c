import { MaskedStream, SecretMask } from './secret-mask.js';

const SECRET = 'sk-ab/cdefgh"ij';

describe('SecretMask', () => {
  const mask = new SecretMask([SECRET, 'sk-ab/cd', 'none', 'abc']);
  const masked = (text: string): string => mask.bytes(Buffer.from(text)).toString();

  it.each([
    ['', ''],
    ['a text', 'a text'],
    [SECRET, '***'],
    [`key ${SECRET}, again ${SECRET}.`, 'key ***, again ***.'],
    [`${SECRET}${SECRET}`, '******'],
    ['"sk-ab\\/cdefgh\\"ij"', '"***"'],
    ['"sk-ab\\u002fcdefgh\\u0022ij"', '"***"'],
    ['"sk-ab\\u002Fcdefgh\\"ij"', '"***"'],
    ['?key=sk-ab%2Fcdefgh%22ij', '?key=***'],
    ['?key=sk-ab%2fcdefgh%22ij&a=b', '?key=***&a=b'],
    // The shorter of two secrets.
    ['key sk-ab/cd.', 'key ***.'],
    ['sk-ab/cd\\nefgh', '***\\nefgh'],
    ['ab/cdefgh"ij', 'ab/cdefgh"ij'],
    ['sk-ac/cdefgh"ij', 'sk-ac/cdefgh"ij'],
    // Placeholders and texts too short for a secret stay in answers.
    ['none, abc', 'none, abc'],
  ])('of the bytes %j makes %j', (text, expected) => {
    expect(masked(text)).toBe(expected);
  });

  it.each([
    ['sk-ab\\u012fcdefgh"ij'],
    ['sk-ab\\u102fcdefgh"ij'],
    ['sk-ab\\x002fcdefgh"ij'],
    ['sk-ab%2Ecdefgh"ij'],
    ['sk-ab%cdefgh"ij'],
    ['sk-ab\\\\/cdefgh"ij'],
  ])('leaves %j, which is another text', (text) => {
    const bytes = Buffer.from(text);
    expect(new SecretMask([SECRET]).bytes(bytes)).toBe(bytes);
  });

  it('masks placeholders in errors only', () => {
    expect(mask.text('the key none is wrong')).toBe('the key *** is wrong');
    expect(mask.text('abc')).toBe('abc');
    expect([new SecretMask(['none']).isEmpty, new SecretMask([]).isEmpty, mask.isEmpty]).toEqual([true, true, false]);
  });

  it('makes an error without its secret and its bytes, and keeps one that has neither', () => {
    const plain = new Error('refused');
    expect(mask.error(plain)).toBe(plain);
    const told = Object.assign(new TypeError(`key ${SECRET}`), { code: 'E', data: Buffer.from('a') });
    expect({ ...mask.error(told), message: mask.error(told).message }).toEqual({ message: 'key ***', name: 'TypeError', code: 'E' });
    expect({ ...mask.error(Object.assign(new Error('bytes'), { data: Buffer.from('a') })) }).toEqual({ name: 'Error' });
  });
});

describe('MaskedStream', () => {
  it.each([SECRET, 'sk-ab\\/cdefgh\\u0022ij', 'sk-ab%2Fcdefgh%22ij'])('masks %s wherever chunks cut it', (form) => {
    const bytes = Buffer.from(`data: ${form} and ${form.slice(0, 6)}`);
    for (let first = 0; first <= bytes.length; first++) {
      const stream = new MaskedStream(new SecretMask([SECRET]));
      const parts = [bytes.subarray(0, first), bytes.subarray(first)].map((part) => stream.pass(part));
      const all = Buffer.concat([...parts, stream.rest()]).toString();
      expect(all).toBe(`data: *** and ${form.slice(0, 6)}`);
      expect(stream.rest()).toHaveLength(0);
    }
  });
});
