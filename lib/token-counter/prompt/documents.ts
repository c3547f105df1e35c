/** Of a page whose number is not found, as Word and LaTeX write them. */
const BYTES_PER_PAGE = 30_000;
/** Bytes that are searched for pages: some milliseconds. */
const MOST_BYTES = 16 * 1024 * 1024;
const TYPE = '/Type';
const PAGE = '/Page';

/**
 * Estimates the pages of a base64 PDF: those that its text shows, else by its size, because newer
 * files may hide them in compressed streams. At least 1.
 */
export function pageCount(base64: string): number {
  const bytes = Buffer.from(base64.slice(0, (MOST_BYTES / 3) * 4), 'base64');
  let pages = 0;
  for (let at = bytes.indexOf(PAGE); at >= 0; at = bytes.indexOf(PAGE, at + PAGE.length)) if (isPage(bytes, at)) pages++;
  return pages > 0 ? pages : Math.max(1, Math.ceil((base64.length * 3) / 4 / BYTES_PER_PAGE));
}

/** Whether `/Page` is behind `/Type`, and no longer name: `/Type /Page`, not `/Type /Pages`. */
function isPage(bytes: Buffer, at: number): boolean {
  const next = bytes[at + PAGE.length];
  const isLonger = (next >= 0x41 && next <= 0x5a) || (next >= 0x61 && next <= 0x7a);
  return (
    !isLonger &&
    bytes
      .toString('latin1', Math.max(0, at - 16), at)
      .trimEnd()
      .endsWith(TYPE)
  );
}
