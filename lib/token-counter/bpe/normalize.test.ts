import { FORMS, hashOfPlane, normalizationVectors, planeText } from '../../../test/support/normalization-vectors.js';
import { atOnce } from '../../common/next-turn.js';
import { normalize } from './normalize.js';
import { normalizing } from './normalizing.js';

const { planes, texts } = normalizationVectors();

describe.each(FORMS)("normalize gives Hugging Face's %s", (form) => {
  it('of every code point, alone and between marks', () => {
    const given = planes[form].map((_, plane) => planeText(plane));
    expect(given.map((text) => hashOfPlane(normalize(text, form)))).toEqual(planes[form]);
  });

  it('of texts with characters that are newer than its table', () => {
    const column = FORMS.indexOf(form) + 1;
    for (const [given, ...normal] of texts) expect([given, normalize(given, form)]).toEqual([given, normal[column - 1]]);
    // Where Node knows none of them, there is nothing to see.
    const changed = texts.filter(([given, ...normal]) => given.normalize(form) !== normal[column - 1]);
    expect(changed.length).toBeGreaterThan(10);
  });

  if (form === 'NFC' || form === 'NFKC') {
    it('in steps of any length', () => {
      for (const plane of [0, 1, 2, 14]) expect(hashOfPlane(atOnce(normalizing(planeText(plane), form)))).toBe(planes[form][plane]);
      for (const [given, ...normal] of texts)
        for (const units of [1, 2, 5, 64])
          expect([given, atOnce(normalizing(given, form, units))]).toEqual([given, normal[FORMS.indexOf(form)]]);
    });
  }
});
