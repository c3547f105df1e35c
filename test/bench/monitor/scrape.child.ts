// A fresh process that measures scrapes. Argument: `quick`, or nothing.
import { measuredScrapeMs } from './scrape.js';

void measuredScrapeMs(process.argv[2] === 'quick').then((found) => console.log(JSON.stringify(found)));
