import { jsonIn } from '../../common/objects.js';
import { InvalidArgumentError, NO_VALUE } from '../../common/errors.js';
import { inTurns } from '../../common/next-turn.js';
import { checkNamedModels } from '../../http/named-models.js';
import type { MultipartBody } from '../../providers/forwarded/multipart.js';

/** Purposes of files that are not batches and can contain any text. */
const OTHER_PURPOSES: ReadonlySet<string> = new Set(['assistants', 'vision', 'user_data', 'evals', 'fine-tune']);
const [BRACE, LF] = Buffer.from('{\n');

/**
 * Checks the models that the requests of a batch name, line by line.
 * @throws ModelNotAllowedError; InvalidArgumentError for a line that is not a request
 */
export async function checkBatchFiles(form: MultipartBody, mayCall: (model: string) => boolean): Promise<void> {
  const purpose = form.text('purpose') ?? 'batch';
  if (OTHER_PURPOSES.has(purpose)) return;
  for (const file of form.files()) await inTurns(checkLines(file, purpose === 'batch', mayCall));
}

function* checkLines(file: Buffer, isBatch: boolean, mayCall: (model: string) => boolean): Generator<undefined, void> {
  for (let start = 0; start < file.length;) {
    const next = file.indexOf(LF, start);
    const end = next === -1 ? file.length : next;
    const request = hasBrace(file, start, end) ? parsed(file.toString('utf8', start, end), isBatch) : undefined;
    if (typeof request === 'object' && request !== null) checkNamedModels(request, mayCall);
    start = end + 1;
    yield;
  }
}

/** Other lines are not parsed. */
function hasBrace(file: Buffer, start: number, end: number): boolean {
  return file.subarray(start, end).includes(BRACE);
}

/**
 * Readers differ in line ends and byte order marks, so a provider could see other lines than this
 * check.
 */
function parsed(line: string, isBatch: boolean): unknown {
  const request = jsonIn(line);
  if (request === undefined && isBatch) throw new InvalidArgumentError('file', NO_VALUE, 'must have one JSON request per line');
  return request;
}
