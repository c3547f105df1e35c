import { isIPv4, isIPv6 } from 'node:net';
import { ibanLength, isCpf, isLuhn, isNric, isWeighted } from './check-digits.js';
import { PhraseSet } from './phrase-set.js';
import { tailOf, type TextPattern } from './text-pattern.js';

const DIGITS = '0-9';
const GROUPED = '0-9 .()+/-';

/** A number without spaces. */
function code(kind: string, expression: RegExp, characters: string, more?: Partial<TextPattern>): TextPattern {
  return { kind, expression, characters, needs: DIGITS, longest: 64, ...more };
}

/** A number that can be written in groups. Its beginning has a digit, so prose is not held back. */
function grouped(kind: string, expression: RegExp, more?: Partial<TextPattern>): TextPattern {
  return { kind, expression, characters: GROUPED, needs: DIGITS, longest: 40, ...more };
}

function card(kind: string, isIssued: (digits: string) => boolean): TextPattern {
  // Digits after a space can follow a number, such as its expiry.
  const accepts = (found: string): number => {
    const ends = [...found.matchAll(/\d(?=[ -]|$)/g)].map(({ index }) => index + 1);
    return ends.findLast((end) => isLuhn(found.slice(0, end)) && isIssued(found.slice(0, end).replace(/\D/g, ''))) ?? 0;
  };
  return grouped(kind, /(?<![\d.])(?:\d{13,19}|\d{4}(?:[ -]\d{4}){3}(?:[ -]\d{3})?|\d{4}[ -]\d{6}[ -]\d{4,5})(?!\d)/g, { accepts });
}

const ISSUERS = {
  visa: (digits: string) => /^4(?:\d{12}|\d{15}|\d{18})$/.test(digits),
  mastercard: (digits: string) => digits.length === 16 && isBetween(digits, 51, 55, 2221, 2720),
  amex: (digits: string) => /^3[47]\d{13}$/.test(digits),
  discover: (digits: string) => /^6(?:011|5\d\d|4[4-9]\d)\d{12,15}$/.test(digits),
};
const OTHER_ISSUERS = /^(?:35\d{14}|3(?:0[0-5]|[68]\d)\d{11}|62\d{14,17}|(?:50|5[6-8]|6\d)\d{10,17})$/;

function isBetween(digits: string, from: number, to: number, longFrom: number, longTo: number): boolean {
  const [two, four] = [Number(digits.slice(0, 2)), Number(digits.slice(0, 4))];
  return (two >= from && two <= to) || (four >= longFrom && four <= longTo);
}

/** Length of the address at the beginning of a text, without the end of a sentence. */
function ipv6Length(text: string): number {
  const address = text.replace(/[.:]$/, '');
  return isIPv6(text) ? text.length : isIPv6(address) ? address.length : 0;
}

const PASSPORT = PhraseSet.of('passport|passports|passport number|passport no|travel document');

/** Personal data with a known format, by LiteLLM's names. */
export const PERSONAL_PATTERNS: readonly TextPattern[] = [
  {
    kind: 'email',
    expression: /(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}/g,
    characters: 'A-Za-z0-9._%+@-',
    needs: '@',
    longest: 320,
  },
  {
    kind: 'url',
    expression: /https?:\/\/[!-~]+/gi,
    characters: '!-~',
    needs: ':',
    longest: 4096,
  },
  code('ipv4', /(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]?\d)/g, '0-9.', { accepts: isIPv4 }),
  code('ipv6', /(?<![0-9A-Za-z:.])[0-9A-Fa-f:.]{2,46}(?![0-9A-Za-z:])/g, '0-9A-Za-z:.', { needs: ':', accepts: ipv6Length }),
  code('us_ssn', /(?<![\d-])(?!000|666|9)\d{3}[- ](?!00)\d{2}[- ](?!0000)\d{4}(?![\d-])/g, GROUPED),
  code('us_ssn_no_dash', /(?<!\d)(?!000|666|9)\d{3}(?!00)\d{2}(?!0000)\d{4}(?!\d)/g, DIGITS),
  grouped('us_phone', /(?<![\d+])(?:\+?1[ .-]?)?(?:\(\d{3}\)[ .-]?|\d{3}[ .-]?)\d{3}[ .-]?\d{4}(?!\d)/g),
  card('visa', ISSUERS.visa),
  card('mastercard', ISSUERS.mastercard),
  card('amex', ISSUERS.amex),
  card('discover', ISSUERS.discover),
  card('credit_card', (digits) => Object.values(ISSUERS).some((isIssued) => isIssued(digits)) || OTHER_ISSUERS.test(digits)),
  iban('iban'),
  iban('eu_iban_enhanced'),
  code('passport_us', /(?<![A-Za-z0-9])[A-Z]?\d{8,9}(?![A-Za-z0-9])/g, 'A-Za-z0-9', { accepts: (found) => found.length === 9 }),
  code('passport_uk', /(?<![A-Za-z0-9])\d{9}(?![A-Za-z0-9])/g, 'A-Za-z0-9'),
  code('passport_germany', /(?<![A-Za-z0-9])[CFGHJKLMNPRTVWXYZ0-9]{9}(?![A-Za-z0-9])/g, 'A-Za-z0-9', {
    accepts: (found) => /\d/.test(found),
  }),
  code('passport_france', /(?<![A-Za-z0-9])\d{2}[A-Z]{2}\d{5}(?![A-Za-z0-9])/g, 'A-Za-z0-9'),
  code('passport_netherlands', /(?<![A-Za-z0-9])[A-NP-Z]{2}[A-NP-Z0-9]{6}\d(?![A-Za-z0-9])/g, 'A-Za-z0-9'),
  code('passport_canada', /(?<![A-Za-z0-9])(?:[A-Z]{2}\d{6}|[A-Z]\d{6}[A-Z]{2})(?![A-Za-z0-9])/g, 'A-Za-z0-9'),
  code('passport_india', /(?<![A-Za-z0-9])[A-Z]\d{7}(?![A-Za-z0-9])/g, 'A-Za-z0-9'),
  code('passport_australia', /(?<![A-Za-z0-9])[A-Z]{1,2}\d{7}(?![A-Za-z0-9])/g, 'A-Za-z0-9'),
  code('passport_china', /(?<![A-Za-z0-9])(?:[EG]\d{8}|E[A-Z]\d{7})(?![A-Za-z0-9])/g, 'A-Za-z0-9'),
  code('passport_japan', /(?<![A-Za-z0-9])[A-Z]{2}\d{7}(?![A-Za-z0-9])/g, 'A-Za-z0-9'),
  code('passport_singapore', /(?<![A-Za-z0-9])[EK]\d{7}[A-Z]?(?![A-Za-z0-9])/g, 'A-Za-z0-9', { near: PASSPORT }),
  code('eu_passport_generic', /(?<![A-Za-z0-9])\d{2}[A-Z]{2}\d{5}(?![A-Za-z0-9])/g, 'A-Za-z0-9', { near: PASSPORT }),
  code('br_cpf', /(?<!\d)\d{3}\.\d{3}\.\d{3}[-/]\d{2}(?!\d)/g, '0-9./-'),
  code('br_cpf_unformatted', /(?<!\d)\d{11}(?!\d)/g, DIGITS, { accepts: isCpf }),
  code('br_cnpj', /(?<!\d)\d{2}\.?\d{3}\.?\d{3}\/?\d{4}-?\d{2}(?!\d)/g, '0-9./-'),
  code('br_cep', /(?<!\d)\d{5}-?\d{3}(?!\d)/g, '0-9-'),
  code('br_rg', /(?<!\d)\d{1,2}\.?\d{3}\.?\d{3}-?[\dXx](?![\dA-Za-z])/g, '0-9A-Za-z.-'),
  grouped('br_phone_mobile', /(?<!\d)(?:\+?55[ -]?)?(?:\(?\d{2}\)?[ -]?)?9\d{4}[ -]?\d{4}(?!\d)/g),
  grouped('br_phone_landline', /(?<!\d)(?:\+?55[ -]?)?(?:\(?\d{2}\)?[ -]?)?[2-5]\d{3}[ -]?\d{4}(?!\d)/g),
  grouped('au_tfn', /(?<!\d)\d{3}[ -]?\d{3}[ -]?\d{2,3}(?!\d)/g, {
    accepts: (found) => isWeighted(found, [1, 4, 3, 7, 5, 8, 6, 9, 10], [0]) || isWeighted(found, [10, 7, 8, 4, 6, 3, 5, 1], [0]),
    near: PhraseSet.of('tfn|tax file number|tax file|tax number'),
  }),
  grouped('au_abn', /(?<!\d)\d{2} ?\d{3} ?\d{3} ?\d{3}(?!\d)/g),
  grouped('au_medicare', /(?<!\d)[2-6]\d{3} ?\d{5} ?\d{1,2}(?!\d)/g),
  code('fr_nir', /(?<!\d)[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}(?!\d)/g, '0-9AB '),
  grouped('fr_phone', /(?<![\d+])(?:(?:\+|00)33[ .-]?|0)[1-9](?:[ .-]?\d{2}){4}(?!\d)/g),
  code('fr_postal_code', /(?<!\d)(?:0[1-9]|[1-8]\d|9[0-8])\d{3}(?!\d)/g, DIGITS, {
    near: PhraseSet.of('code postal|postal code|postcode|cp|adresse|address|ville|rue|avenue|boulevard'),
  }),
  code(
    'eu_vat',
    /(?<![A-Za-z0-9])(?:AT|BE|BG|CY|CZ|DE|DK|EE|EL|ES|FI|FR|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK|XI)[A-Z0-9]{8,12}(?![A-Za-z0-9])/g,
    'A-Za-z0-9',
    { near: PhraseSet.of('vat|vat number|vat id|tva|ust|ust-id|iva|mwst|btw|moms|tax id'), accepts: (found) => /\d/.test(found) },
  ),
  code('nl_bsn_contextual', /(?<!\d)\d{9}(?!\d)/g, DIGITS, {
    near: PhraseSet.of('bsn|burgerservicenummer|sofinummer|sofi-nummer|citizen service number'),
    accepts: (found) => isWeighted(found, [9, 8, 7, 6, 5, 4, 3, 2, -1], [0]),
  }),
  code('sg_nric', /(?<![A-Za-z0-9])[STFGM]\d{7}[A-Z](?![A-Za-z0-9])/g, 'A-Za-z0-9', { accepts: isNric }),
  grouped('sg_phone', /(?<![\d+])(?:\+|00)?65[ -]?[689]\d{3}[ -]?\d{4}(?!\d)/g),
  code('sg_postal_code', /(?<!\d)(?:0[1-9]|[1-7]\d|8[0-3])\d{4}(?!\d)/g, DIGITS, {
    near: PhraseSet.of('singapore|postal code|postcode|postal|address|blk|block|street|avenue|road'),
  }),
  code('uae_emirates_id', /(?<!\d)784-?\d{4}-?\d{7}-?\d(?!\d)/g, '0-9-'),
  grouped('uae_phone', /(?<![\d+])(?:(?:\+|00)971[ -]?|0)(?:5\d|[2-4679])[ -]?\d{3}[ -]?\d{4}(?!\d)/g),
  grouped('ca_sin', /(?<!\d)[1-9]\d{2}[ -]?\d{3}[ -]?\d{3}(?!\d)/g, {
    accepts: isLuhn,
    near: PhraseSet.of('sin|social insurance|social insurance number|numéro d’assurance sociale|nas'),
  }),
  code(
    'ca_postal_code',
    /(?<![A-Za-z0-9])[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z][ -]?\d[ABCEGHJ-NPRSTV-Z]\d(?![A-Za-z0-9])/gi,
    'A-Za-z0-9 -',
    {
      longest: 8,
      near: PhraseSet.of('postal code|postal|code postal|address|adresse|canada|mail|ship|street|avenue|road'),
      open: tailOf(/(?<![A-Za-z0-9])[A-Z](?:\d(?:[A-Z](?:[ -]?(?:\d(?:[A-Z]\d?)?)?)?)?)?$/i),
    },
  ),
];

function iban(kind: string): TextPattern {
  return {
    kind,
    expression: /(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}/g,
    characters: 'A-Za-z0-9 ',
    needs: DIGITS,
    longest: 48,
    open: tailOf(/(?<![A-Za-z0-9])[A-Z](?:[A-Z](?:\d(?:\d(?: ?[A-Z0-9]){0,30} ?)?)?)?$/),
    accepts: ibanLength,
  };
}
