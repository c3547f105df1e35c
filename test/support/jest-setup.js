'use strict';
// Runs once before the suites: looks for the PostgreSQL that they share.

const USUAL = 'postgres://postgres@127.0.0.1:5432/postgres';

/** Returns the server's URL; an empty one, and a line, if none answers. One that `POSTGRES_URL` names has to answer. */
async function postgresUrl(named, { usual = USUAL, say = console.error } = {}) {
  if (named !== undefined && named !== '') return named;
  const { Client } = require('pg');
  const client = new Client({ connectionString: usual, connectionTimeoutMillis: 3_000 });
  try {
    await client.connect();
    await client.end();
    return usual;
  } catch (error) {
    say(`No PostgreSQL at ${usual} (${error.code ?? error.message}): its tests are skipped. Start one, or set POSTGRES_URL.`);
    return '';
  }
}

module.exports = async () => {
  process.env.POSTGRES_URL = await postgresUrl(process.env.POSTGRES_URL);
};
module.exports.postgresUrl = postgresUrl;
