'use strict';

// Calls with bound parameters: a line of JSON on standard input is a call, a line on standard output its outcome.
// usage: node calls.js CONNECTION, which is JSON for node-postgres.

const readline = require('node:readline');
const { Client } = require('pg');

async function outcome(client, { sql, parameters }) {
  try {
    // The driver has no place for a type: it makes text of each value, and the server chooses what it is.
    const { rows } = await client.query({ text: sql, values: parameters.map(({ value }) => value), rowMode: 'array' });
    return { id: rows[0][0] };
  } catch (error) {
    if (error.severity === undefined) {
      throw error;
    }
    return { sqlstate: error.code };
  }
}

async function main() {
  const client = new Client(JSON.parse(process.argv[2]));
  await client.connect();
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await outcome(client, JSON.parse(line)))}\n`);
  }
  await client.end();
}

main();
