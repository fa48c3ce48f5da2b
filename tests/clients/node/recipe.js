'use strict';

// A client that follows the recipe of the README: LISTEN, read, then handle what comes.
// usage: node recipe.js CONNECTION SESSION, where CONNECTION is JSON for node-postgres.
// Prints each event as it is handled, after `read` or `heard`, until the one of the key `the end`; then counts.

const { Client } = require('pg');

const PAGE = 100;
// How long nothing may come before the inbox is looked into all the same.
const IDLE = 500;
// Acknowledge after so many events.
const OFTEN = 50;

class Follower {
  constructor(connection, session) {
    Object.assign(this, { connection, session });
    // Of the last event that was handled. It outlives connections.
    this.cursor = null;
    this.acknowledged = this.read = this.heard = this.connections = 0;
    this.ended = false;
  }

  async run() {
    while (!this.ended || this.acknowledged < this.read + this.heard) {
      const client = new Client(this.connection);
      try {
        await this.follow(client);
      } catch (error) {
        process.stderr.write(`${error.message}: ${error.code}\n`);
        // A server that refuses connections for a moment is not asked a thousand times.
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      client.end().catch(() => {});
    }
  }

  // On one connection: LISTEN first, then read; what commits in between is heard twice, and the cursor tells.
  async follow(client) {
    const arrived = arrivals(client);
    await client.connect();
    this.connections += 1;
    await client.query(`listen ${client.escapeIdentifier(this.session)}`);
    await this.readAll(client);
    while (!this.ended) {
      const payload = await arrived.next();
      if (payload === undefined) {
        await this.readAll(client);
      } else {
        await this.hear(client, payload);
      }
    }
    await this.acknowledge(client);
  }

  async readAll(client) {
    for (;;) {
      const page = await client.query('select event::text as text from event.events($1, $2, $3)', [this.session, this.cursor, PAGE]);
      if (page.rows.length === 0) {
        return;
      }
      for (const { text } of page.rows) {
        this.read += 1;
        this.handle('read', text, JSON.parse(text));
      }
      await this.acknowledge(client);
    }
  }

  async hear(client, payload) {
    const event = JSON.parse(payload);
    if (this.cursor !== null && event.cursor <= this.cursor) {
      return;
    }
    if (event.type === 'nudge' || event.truncated) {
      await this.readAll(client);
      return;
    }
    this.heard += 1;
    this.handle('heard', payload, event);
    if ((this.read + this.heard) % OFTEN === 0) {
      await this.acknowledge(client);
    }
  }

  handle(how, text, event) {
    process.stdout.write(`${how} ${text}\n`);
    this.ended = event.key !== undefined && event.key.id === 'the end';
    this.cursor = event.cursor;
  }

  async acknowledge(client) {
    if (this.read + this.heard > this.acknowledged) {
      await client.query('select event.ack($1, $2)', [this.cursor, this.session]);
      this.acknowledged = this.read + this.heard;
    }
  }
}

// The notifications of a connection, one at a time: undefined when nothing has come for a while. They also arrive while a
// query runs, and the driver tells of a lost connection by an event that nobody may leave unheard.
function arrivals(client) {
  const queue = [];
  let failure = null;
  let wake = () => {};
  client.on('notification', ({ payload }) => {
    queue.push(payload);
    wake();
  });
  client.on('error', (error) => {
    failure = error;
    wake();
  });
  client.on('end', () => {
    failure ??= new Error('the connection has ended');
    wake();
  });
  return {
    async next() {
      if (queue.length === 0 && failure === null) {
        await new Promise((resolve) => {
          const timer = setTimeout(resolve, IDLE);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      if (queue.length > 0) {
        return queue.shift();
      }
      if (failure !== null) {
        throw failure;
      }
      return undefined;
    },
  };
}

const [connection, session] = process.argv.slice(2);
const follower = new Follower(JSON.parse(connection), session);
follower.run().then(() => {
  const { connections, read, heard } = follower;
  process.stdout.write(`counts ${JSON.stringify({ connections, read, heard })}\n`);
});
