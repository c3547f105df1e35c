/** Returns the `authorization` header for the user and password of a URL. */
export function basicAuthorization({ username, password }: URL): string {
  return `Basic ${Buffer.from(`${decoded(username)}:${decoded(password)}`).toString('base64')}`;
}

/**
 * A part of a URL as it was meant. A `%` that begins no escape stands for itself: passwords are
 * rarely written by the rules.
 */
export function decoded(part: string): string {
  return part.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes;
    }
  });
}
