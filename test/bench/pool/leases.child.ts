// Measures the leases of one engine in a fresh process, because V8 optimizes for the engine in use.
// as JSON.
import { ownLeaseRows, type LeaseQuestion } from './leases.js';

void ownLeaseRows(JSON.parse(process.argv[2]) as LeaseQuestion).then((rows) => {
  console.log(JSON.stringify(rows));
  process.exit(0);
});
