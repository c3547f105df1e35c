import { EventReader, StreamEvents } from '../../lib/providers/events/event-reader.js';

/** Events that arrive together. */
export const eventsIn = (text: string): StreamEvents => StreamEvents.of(text);

/** Events as a reader makes them of bytes that are cut at some places. */
export function eventsCutAt(bytes: Buffer, cuts: readonly number[]): StreamEvents[] {
  return readEvents(piecesOf(bytes, cuts));
}

/** Bytes in pieces that end at some places. */
export function piecesOf(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  return ends.map((end, at) => bytes.subarray(ends[at - 1] ?? 0, end));
}

/** What a reader makes of pieces, the unfinished event last. */
export function readEvents(pieces: readonly Buffer[]): StreamEvents[] {
  const reader = new EventReader();
  return [...pieces.map((piece) => reader.read(piece)), reader.rest()].filter((events) => events !== undefined);
}
