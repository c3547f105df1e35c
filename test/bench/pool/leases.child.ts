// A fresh process that measures the leases of one engine: what V8 learns of the code with one engine is not what it would learn from both. Argument: the question
// as JSON.
import { ownLeaseRows, type LeaseQuestion } from './leases.js';

void ownLeaseRows(JSON.parse(process.argv[2]) as LeaseQuestion).then((rows) => {
  console.log(JSON.stringify(rows));
  process.exit(0);
});
