const MODEL = 'model';

/** A field that some servers read as the model, too. */
export function otherModel(fields: object): string | undefined {
  return Object.keys(fields).find((name) => name.length === MODEL.length && name !== MODEL && name.toLowerCase() === MODEL);
}
