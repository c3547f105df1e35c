/** Whether the digits of a text have a valid last digit by Luhn (ISO/IEC 7812-1). */
export function isLuhn(text: string): boolean {
  const digits = text.replace(/\D/g, '');
  let sum = 0;
  for (let at = 0; at < digits.length; at++) {
    const digit = Number(digits[digits.length - 1 - at]) * (at % 2 === 0 ? 1 : 2);
    sum += digit > 9 ? digit - 9 : digit;
  }
  return digits.length > 0 && sum % 10 === 0;
}

/** Lengths of account numbers by country (ISO 13616). */
const IBAN_LENGTHS = new Map(
  `AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 FO18 FR27 GB22 GE22 GI23
  GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30
  NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 SK24 SM27 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20`
    .split(/\s+/)
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]),
);

/**
 * Length of the account number at the beginning of a text, spaces included, if its check digits are
 * valid (the remainder by 97 is 1); otherwise 0.
 */
export function ibanLength(text: string): number {
  const digits = IBAN_LENGTHS.get(text.slice(0, 2)) ?? Infinity;
  let compact = '';
  let length = 0;
  for (; length < text.length && compact.length < digits; length++) if (text[length] !== ' ') compact += text[length];
  if (compact.length !== digits) return 0;
  let remainder = 0;
  for (const character of compact.slice(4) + compact.slice(0, 4))
    for (const digit of String(parseInt(character, 36))) remainder = (remainder * 10 + Number(digit)) % 97;
  return remainder === 1 ? length : 0;
}

/** Whether a sum of weighted digits, modulo 11, is one of the allowed remainders. */
export function isWeighted(text: string, weights: readonly number[], remainders: readonly number[]): boolean {
  const digits = text.replace(/\D/g, '');
  if (digits.length !== weights.length) return false;
  const sum = weights.reduce((total, weight, at) => total + weight * Number(digits[at]), 0);
  return remainders.includes(sum % 11);
}

/** Whether a Brazilian taxpayer's number (CPF) has valid check digits. */
export function isCpf(text: string): boolean {
  const digits = [...text.replace(/\D/g, '')].map(Number);
  if (digits.length !== 11 || digits.every((digit) => digit === digits[0])) return false;
  return [9, 10].every((count) => {
    const sum = digits.slice(0, count).reduce((total, digit, at) => total + digit * (count + 1 - at), 0);
    return ((sum * 10) % 11) % 10 === digits[count];
  });
}

/** Whether the last letter of a Singapore identity number (NRIC, FIN) fits its digits. */
export function isNric(text: string): boolean {
  const id = text.toUpperCase();
  const weights = [2, 7, 6, 5, 4, 3, 2];
  const sum = weights.reduce((total, weight, at) => total + weight * Number(id[at + 1]), { T: 4, G: 4, M: 3 }[id[0]] ?? 0);
  const letters = { S: 'JZIHGFEDCBA', T: 'JZIHGFEDCBA', F: 'XWUTRQPNMLK', G: 'XWUTRQPNMLK', M: 'XWUTRQPNJLK' }[id[0]];
  if (letters === undefined) return false;
  return letters[id[0] === 'M' ? 10 - (sum % 11) : sum % 11] === id[8];
}
