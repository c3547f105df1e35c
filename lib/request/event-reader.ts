import { StringDecoder } from 'node:string_decoder';

/** Reads server-sent events: the `data` of each, as it was written. */
export class EventReader {
  private readonly decoder = new StringDecoder('utf8');
  private text = '';

  /** The events that `chunk` completes. */
  read(chunk: Buffer): string[] {
    this.text += this.decoder.write(chunk);
    const events: string[] = [];
    for (let match = /\r?\n\r?\n/.exec(this.text); match !== null; match = /\r?\n\r?\n/.exec(this.text)) {
      const data = dataOf(this.text.slice(0, match.index));
      this.text = this.text.slice(match.index + match[0].length);
      if (data !== undefined) events.push(data);
    }
    return events;
  }
}

function dataOf(event: string): string | undefined {
  const lines = event.split(/\r?\n/).filter((line) => line.startsWith('data:'));
  return lines.length === 0 ? undefined : lines.map((line) => line.slice(5).replace(/^ /, '')).join('\n');
}
