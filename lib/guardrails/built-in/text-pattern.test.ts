import { TextWindows } from '../stream-windows.js';
import { CREDENTIAL_PATTERNS, SERVICE_PATTERNS } from './credential-patterns.js';
import { PERSONAL_PATTERNS } from './personal-patterns.js';
import { withoutOverlaps } from './span.js';
import { PatternSet, type TextPattern } from './text-pattern.js';

/** Made up, with valid check digits. Credentials are joined, so that scanners skip them. */
const SAMPLES: Readonly<Record<string, readonly string[]>> = {
  email: ['jane.doe+tag@mail.example.org', 'a@b.co'],
  url: ['https://example.org/a?b=c#d', 'HTTP://EXAMPLE.ORG'],
  ipv4: ['192.168.10.254', '8.8.8.8'],
  ipv6: ['2001:db8:85a3::8a2e:370:7334', '::ffff:192.0.2.128'],
  us_ssn: ['123-45-6789', '123 45 6789'],
  us_ssn_no_dash: ['123456789'],
  us_phone: ['(415) 555-2671', '+1 415-555-2671', '4155552671'],
  visa: ['4111 1111 1111 1111', '4111111111111111'],
  mastercard: ['5555-5555-5555-4444', '2223003122003222'],
  amex: ['3782 822463 10005'],
  discover: ['6011111111111117'],
  credit_card: ['4111 1111 1111 1111', '3530111333300000', '30569309025904'],
  iban: ['DE89 3704 0044 0532 0130 00', 'GB82WEST12345698765432'],
  eu_iban_enhanced: ['FR1420041010050500013M02606'],
  passport_us: ['A12345678', '123456789'],
  passport_uk: ['123456789'],
  passport_germany: ['C01X00T47'],
  passport_france: ['12AB34567'],
  passport_netherlands: ['NP1234567'],
  passport_canada: ['AB123456', 'A123456BC'],
  passport_india: ['A1234567'],
  passport_australia: ['N1234567', 'PA1234567'],
  passport_china: ['E12345678', 'EA1234567'],
  passport_japan: ['TK1234567'],
  passport_singapore: ['my passport is K1234567E'],
  eu_passport_generic: ['12AB34567 is my passport'],
  br_cpf: ['123.456.789-09'],
  br_cpf_unformatted: ['12345678909'],
  br_cnpj: ['12.345.678/0001-95'],
  br_cep: ['01310-100'],
  br_rg: ['12.345.678-9'],
  br_phone_mobile: ['+55 11 91234-5678', '(11) 91234-5678'],
  br_phone_landline: ['(11) 3123-4567'],
  au_tfn: ['TFN 123 456 782', '123456782 is my tax file number'],
  au_abn: ['51 824 753 556'],
  au_medicare: ['2123 45670 1'],
  fr_nir: ['1 85 05 78 006 084 36'],
  fr_phone: ['+33 6 12 34 56 78', '06.12.34.56.78'],
  fr_postal_code: ['code postal 75008'],
  eu_vat: ['VAT DE123456789'],
  nl_bsn_contextual: ['BSN 111222333'],
  sg_nric: ['S1234567D'],
  sg_phone: ['+65 9123 4567'],
  sg_postal_code: ['Singapore 238823'],
  uae_emirates_id: ['784-1990-1234567-1'],
  uae_phone: ['+971 50 123 4567'],
  ca_sin: ['SIN 130 692 544'],
  ca_postal_code: ['postal code K1A 0B1'],
  aws_access_key: [`AKIA${'IOSFODNN7EXAMPLE'}`],
  aws_secret_key: [`wJalrXUtnFEMI/K7MDENG/${'bPxRfiCYEXAMPLEKEY'}`],
  github_token: [`ghp_${'a1B2'.repeat(9)}`, `github_pat_${'a1B2_'.repeat(6)}`],
  slack_token: [`xoxb-${'123456789012-abcdef'}`],
  anthropic_api_key: [`sk-ant-${'api03-abcdefghij0123456789'}`],
  openai_api_key: [`sk-proj-${'abcdefghij0123456789ABCD'}`, `sk-${'abcdefghij0123456789ABCD'}`],
  gemini_api_key: [`AIza${'SyA1234567890abcdefghijklmnopqrstuv'}`],
  generic_api_key: ['api_key = "abcdefghij0123456789"', 'password: correcthorsebattery'],
  private_key: [`-----BEGIN RSA ${'PRIVATE'} KEY-----\nMIIEowIBAAKCAQEA0Z3VS5JJcds3\nxfn/ygWyF8\n-----END RSA PRIVATE KEY-----`],
  jwt: [`eyJ${'hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N'}`],
  google_oauth_token: [`ya29.${'a0AfH6SMBx1234567890abcdef'}`],
  stripe_key: [`sk_live_${'abcdefghij0123456789'}`],
  twilio_key: [`SK${'0123456789abcdef'.repeat(2)}`],
  sendgrid_key: [`SG.${'abcdefghij0123456789'}.${'abcdefghij0123456789'}`],
  mailgun_key: [`key-${'0123456789abcdef'.repeat(2)}`],
  npm_token: [`npm_${'a1B2'.repeat(9)}`],
  pypi_token: [`pypi-${'a1B2c3D4e5'.repeat(6)}`],
  gitlab_token: [`glpat-${'abcdefghij0123456789'}`],
  hugging_face_token: [`hf_${'abcdefghij'.repeat(4)}`],
  groq_key: [`gsk_${'abcdefghij'.repeat(5)}`],
  xai_key: [`xai-${'abcdefghij'.repeat(5)}`],
  perplexity_key: [`pplx-${'abcdefghij'.repeat(5)}`],
  replicate_token: [`r8_${'abcdefghij'.repeat(4)}`],
  databricks_token: [`dapi${'0123456789abcdef'.repeat(2)}`],
  digitalocean_token: [`dop_v1_${'0123456789abcdef'.repeat(4)}`],
  shopify_token: [`shpat_${'0123456789abcdef'.repeat(2)}`],
  vault_token: [`hvs.${'abcdefghij0123456789ABCDEF'}`],
  linear_key: [`lin_api_${'abcdefghij'.repeat(4)}`],
  notion_token: [`ntn_${'abcdefghij'.repeat(5)}`],
  telegram_token: [`123456789:${'AAabcdefghij0123456789abcdefghij012'}`],
  discord_token: [`M${'TIzNDU2Nzg5MDEyMzQ1Njc4'}.GabcdE.${'abcdefghij0123456789abcdefghi'}`],
  azure_storage_key: [`AccountKey=${'abcdefghij0123456789'.repeat(4)}==`],
  age_secret_key: [`AGE-SECRET-KEY-1${'QPZRY9X8GF'.repeat(5)}QPZRY9X8`],
  url_password: [`postgres://user:${'hunter2secret'}@db.example`],
};
const PATTERNS = [...PERSONAL_PATTERNS, ...CREDENTIAL_PATTERNS, ...SERVICE_PATTERNS];
const CONTEXT_WORDS = /[a-z ]*(?:passport|tfn|tax file number|code postal|vat|bsn|singapore|sin|postal code)[a-z ]*|@db\.example/gi;

/** A text with the matches replaced, as a whole. */
function masked(patterns: PatternSet, text: string): string {
  let written = '';
  let at = 0;
  for (const { start, end } of withoutOverlaps(patterns.find(text))) {
    written += `${text.slice(at, start)}#`;
    at = end;
  }
  return written + text.slice(at);
}

/** The same, with the chunks of a stream. */
function maskedStream(patterns: PatternSet, chunks: readonly string[]): string {
  const windows = new TextWindows({ windowChars: 1, overlapChars: 200, heldBack: (text) => patterns.heldBack(text) }, false);
  return chunks
    .map((chunk, at) => {
      const window = windows.take(chunk, at === chunks.length - 1);
      if (window === undefined) return '';
      const edits = withoutOverlaps(patterns.find(window.text)).map(({ start, end }) => ({ start, end, replacement: '#' }));
      return windows.judge(window, edits);
    })
    .join('');
}

test('all patterns have samples', () => {
  expect(PATTERNS.map(({ kind }) => kind).sort()).toEqual(Object.keys(SAMPLES).sort());
});

describe.each(PATTERNS.map((pattern) => [pattern.kind, pattern] as const))('%s', (kind, pattern: TextPattern) => {
  const patterns = new PatternSet([pattern]);
  const samples = SAMPLES[kind] ?? [];

  test.each(samples)('is found in prose: %s', (sample) => {
    const text = `The value is ${sample}, as I said.`;
    const left = masked(patterns, text);
    expect(left).toContain('#');
    // Nothing of the value is left but the words around it.
    const value = sample.replace(CONTEXT_WORDS, '').trim();
    expect(left).not.toContain(value.slice(-8));
  });

  test.each(samples)('does not leave a stream that is cut anywhere: %s', (sample) => {
    const text = `My dear friend, the value is ${sample}, as I said before; and it is true.`;
    const expected = masked(patterns, text);
    for (let first = 0; first <= text.length; first++) {
      const chunks = [text.slice(0, first), text.slice(first)];
      expect(maskedStream(patterns, chunks)).toBe(expected);
    }
    expect(maskedStream(patterns, [...text])).toBe(expected);
  });

  test('leaves prose alone, and holds little of it back', () => {
    const prose = 'We met at the station; no one knew why the train was late. "Why not?" said Ann (my sister).\nThe end';
    expect(masked(patterns, prose)).toBe(prose);
    expect(patterns.heldBack(prose)).toBeLessThanOrEqual(5);
  });
});

test('many patterns in one set find what each finds alone', () => {
  const all = new PatternSet(PATTERNS);
  const text = Object.values(SAMPLES).flat().join('. Then: ');
  const alone = PATTERNS.flatMap((pattern) => new PatternSet([pattern]).find(text));
  const key = ({ kind, start, end }: { kind: string; start: number; end: number }): string => `${start}-${end} ${kind}`;
  expect(all.find(text).map(key).sort()).toEqual(alone.map(key).sort());
  expect(all.heldBack(text)).toBe(Math.max(...PATTERNS.map((pattern) => new PatternSet([pattern]).heldBack(text))));
});

test.each([
  ['a card with its expiry', 'credit_card', 'Card 4111 1111 1111 1111 12/27', 'Card # 12/27'],
  ['a card after another number', 'credit_card', 'No 12 4111 1111 1111 1111.', 'No 12 #.'],
  ['a number with a wrong check digit', 'credit_card', '4111 1111 1111 1112', '4111 1111 1111 1112'],
  ['an account number before capital letters', 'iban', 'DE89 3704 0044 0532 0130 00 AND MORE', '# AND MORE'],
  ['the value of an assignment only', 'generic_api_key', 'token: abcdefghij0123456789', 'token: #'],
  ['an address of five numbers', 'ipv4', '1.2.3.4.5', '1.2.3.4.5'],
  ['a word that is too far away', 'ca_sin', `SIN${' '.repeat(80)}130 692 544`, `SIN${' '.repeat(80)}130 692 544`],
])('%s', (_, kind, text, expected) => {
  expect(masked(new PatternSet(PATTERNS.filter((pattern) => pattern.kind === kind)), text)).toBe(expected);
});
