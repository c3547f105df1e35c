import fc from 'fast-check';
import { isOwnField } from '../own-fields.js';
import { MultipartBody } from './multipart.js';

const part = (disposition: string, content: string | Buffer, more = ''): Buffer =>
  Buffer.concat([Buffer.from(`content-disposition: form-data; ${disposition}\r\n${more}\r\n`), Buffer.from(content)]);
const formOf = (parts: readonly Buffer[], boundary = 'x-1'): Buffer =>
  Buffer.concat([
    ...parts.flatMap((each) => [Buffer.from(`--${boundary}\r\n`), each, Buffer.from('\r\n')]),
    Buffer.from(`--${boundary}--\r\n`),
  ]);
const parse = (bytes: Buffer, boundary = 'x-1'): MultipartBody => MultipartBody.parse(bytes, `multipart/form-data; boundary=${boundary}`);
const readBack = (bytes: Buffer): Promise<FormData> =>
  new Response(bytes, { headers: { 'content-type': 'multipart/form-data; boundary=x-1' } }).formData();

describe('MultipartBody', () => {
  it('replaces the model and drops fields, and keeps the other bytes', async () => {
    const file = Buffer.from([0, 13, 10, 45, 45, 120, 45, 50, 255]);
    const bytes = formOf([
      part('name="model"', 'old'),
      part('name="file"; filename="a.mp3"', file, 'content-type: audio/mpeg\r\n'),
      part('name="tags"', '["a"]'),
      part('name="prompt"', 'ü'),
    ]);
    const form = await readBack(parse(bytes).withModel('whisper-1', isOwnField));
    expect([...form.keys()].sort()).toEqual(['file', 'model', 'prompt']);
    expect([form.get('model'), form.get('prompt')]).toEqual(['whisper-1', 'ü']);
    const sent = form.get('file') as File;
    expect([sent.name, sent.type, Buffer.from(await sent.arrayBuffer())]).toEqual(['a.mp3', 'audio/mpeg', file]);
  });

  it.each([
    ['two models', ['name="model"', 'name="model"']],
    ['a model that is a file', ['name="model"; filename="m"']],
    ['a model beside one that is a file', ['name="model"', 'name="model"; filename="m"']],
    ['a model that is a file of an empty name', ['name="model"; filename=""', 'name="model"']],
    ["a model that is a file by another charset's name", [`name="model"; filename*=utf-8''m`]],
    ['a model in capitals', ['name="model"', 'name="Model"']],
    ['a list of models', ['name="model"', 'name="model[]"']],
    ['a model behind a space', ['name="model"', 'name=" model"']],
    ['a text twice', ['name="quality"', 'name="quality"']],
    ['a text that is a file, too', ['name="n"', 'name="n"; filename="n"']],
    ['a file that is a text, too', ['name="stream"; filename="s"', 'name="stream"']],
  ])('refuses %s: servers read one or the other', (_, dispositions) => {
    expect(() => parse(formOf(dispositions.map((each) => part(each, 'x'))))).toThrow(
      /must (?:not repeat a text field|be a text field with)/,
    );
  });

  it('refuses a part that some servers decode', () => {
    const encoded = (encoding: string) => () => parse(formOf([part('name="n"', 'OQ==', `Content-Transfer-Encoding: ${encoding}\r\n`)]));
    expect(encoded('base64')).toThrow('must not use a transfer encoding for parts');
    expect(encoded('quoted-printable')).toThrow('must not use a transfer encoding for parts');
    expect(encoded('binary')).not.toThrow();
  });

  it('accepts lists of texts and of files', () => {
    const lists = ['name="include[]"', 'name="timestamp_granularities"', 'name="image[]"; filename="i"', 'name="image"; filename="i"'];
    expect(parse(formOf([...lists, ...lists].map((each) => part(each, 'x')))).files()).toHaveLength(4);
  });

  it('reads the texts of fields, and no files', () => {
    const form = parse(formOf([part('name="a"', '2'), part('name="b"; filename="b"', '3'), part('name="__proto__"', '4')]));
    expect(Object.entries(form.fields())).toEqual([
      ['a', '2'],
      ['__proto__', '4'],
    ]);
    expect([form.text('a'), form.text('b'), form.text('c')]).toEqual(['2', undefined, undefined]);
    expect(() => parse(formOf([part('name="a"', 'x'.repeat(70_000))])).text('a')).toThrow('65536 bytes');
  });

  it.each([
    ['a text before the first boundary', (body: string) => `preamble\r\n${body}`],
    ['a text behind the last one', (body: string) => `${body}epilogue`],
    ['spaces behind boundaries', (body: string) => body.replaceAll('--x-1\r\n', '--x-1 \t\r\n')],
    ['names of headers in capitals', (body: string) => body.replaceAll('content-disposition', 'Content-Disposition')],
  ])('accepts %s', (_, change) => {
    expect(parse(Buffer.from(change(formOf([part('name="model"', 'm')]).toString()))).text('model')).toBe('m');
  });

  it.each<[string, string | Buffer, string]>([
    ['two dispositions', part('name="a"', 'x', 'content-disposition: form-data; name="model"\r\n'), 'one name for each part'],
    [
      'a disposition behind a lone line feed',
      part('name="a"\ncontent-disposition: form-data; name="model"', 'x'),
      'one name for each part',
    ],
    ['a disposition that goes on in the next line', part('name="a"', 'x', ' ; name="model"\r\n'), 'one name for each part'],
    ['two names', part('name="a"; name="model"', 'x'), 'one name for each part'],
    ['a name in another charset', part(`name="a"; name*=utf-8''model`, 'x'), 'one name for each part'],
    ['a name without quotes', part('name=model', 'x'), 'one name for each part'],
    ['a name with a backslash', part('name="\\model"', 'x'), 'one name for each part'],
    ['a quote that is not closed', part('filename="a; name="model"', 'x'), 'one name for each part'],
    ['a file without a name', part('filename="a"', 'x'), 'a name for each part'],
  ])('refuses %s, which servers read differently', (_, bytes, rule) => {
    expect(() => parse(formOf([bytes as Buffer]))).toThrow(rule);
  });

  it.each<[string, string]>([
    ['a name inside of the name of a file', 'filename="; name=\\"model\\""; name="a"'],
    ['parameters in any case and order', 'FileName="b"; Name="a"'],
    ['a file name in another charset', `name="a"; filename="b"; filename*=utf-8''%c3%a4`],
    ['spaces and a semicolon at the end', 'name="a" ; filename="b" ;'],
  ])('finds the name of a part beside %s', (_, disposition) => {
    expect(parse(formOf([part(disposition, 'x')])).fields()).toEqual({});
    expect(parse(formOf([part(disposition, 'x')])).without((name) => name === 'a')).toHaveLength('--x-1--\r\n'.length);
  });

  it('accepts a boundary in quotes', () => {
    const bytes = formOf([part('name="model"', 'm')], 'a b:c');
    expect(MultipartBody.parse(bytes, 'Multipart/Form-Data; charset=utf-8; boundary="a b:c"').text('model')).toBe('m');
  });

  it('takes the forms of JavaScript', async () => {
    const form = new FormData();
    form.set('model', 'm');
    form.set('file', new Blob(['x']), 'ä.txt');
    const written = (await MultipartBody.of(form)).withModel('n', () => false);
    expect(written.toString()).toContain('name="model"\r\n\r\nn\r\n');
    expect(written.toString()).toContain('filename="ä.txt"');
  });

  it('reads back any contents, whatever they look like', async () => {
    const content = fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.constantFrom('\r\n--x-', '\r\n\r\n', '--').map(Buffer.from));
    await fc.assert(
      fc.asyncProperty(fc.array(content, { maxLength: 5 }), async (contents) => {
        const parts = contents.map((bytes, i) => part(`name="f${i}"; filename="f"`, Buffer.from(bytes)));
        const form = await readBack(parse(formOf(parts)).withModel('m', () => false));
        const sent = await Promise.all(contents.map(async (_, i) => Buffer.from(await (form.get(`f${i}`) as File).arrayBuffer())));
        expect(sent).toEqual(contents.map((bytes) => Buffer.from(bytes)));
      }),
      { numRuns: 100 },
    );
  });

  it('refuses or reads any bytes, and never throws anything else', () => {
    const piece = fc.oneof(
      fc.constantFrom('--x-1', '\r\n', '--', 'content-disposition: form-data; name="a"', '\r\n\r\n', ' '),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        let error: unknown;
        try {
          parse(Buffer.from(pieces.join('')));
        } catch (thrown) {
          error = thrown;
        }
        expect(error === undefined || (error as { readonly code?: string }).code === 'INVALID_ARGUMENT').toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('takes time in proportion to the bytes', () => {
    // Quadratic time over these would be minutes.
    const ends = Buffer.from(`--x-1\r\n${'\r\n--x-'.repeat(1_000_000)}`);
    const headers = Buffer.from(`--x-1\r\ncontent-disposition: form-data${'; name='.repeat(1_000_000)}\r\n--x-1--`);
    expect(() => parse(ends)).toThrow('boundary');
    expect(() => parse(headers)).toThrow('headers');
  });
});
