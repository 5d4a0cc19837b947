import { createConnection, createServer, type Server } from "node:net";
import { Fault, hasCode } from "../../fault/fault.ts";

/**
 * Says "this table has an owner" for as long as the owner lives: an abstract Unix socket (unix(7)) belongs to the
 * network namespace, as the table does, and goes with its process however that ends.
 */
export class TableLock {
  readonly #table: string;
  #server: Server | undefined;

  constructor(table: string) {
    this.#table = table;
  }

  /** @throws Fault TABLE_IN_USE, with the owner's pid if it tells */
  async acquire(): Promise<void> {
    const path = `\0proxygw/${this.#table}`;
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.end(`${process.pid}\n`);
    });
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(path, resolve);
      });
    } catch (error) {
      if (!hasCode(error, "EADDRINUSE")) throw error;
      const pid = await ownerPid(path);
      const owner = pid === undefined ? "another proxygw" : `another proxygw (pid ${pid})`;
      throw new Fault(
        "TABLE_IN_USE",
        `${owner} owns the table "inet ${this.#table}": stop it, or give this one its own with dataplane.table, dataplane.queue, dataplane.queue_mark, runtime_dir and plugins.ctl.socket`,
      );
    }
    server.unref();
    this.#server = server;
  }

  async release(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server !== undefined)
      await new Promise<void>((resolve) =>
        server.close(() => {
          resolve();
        }),
      );
  }
}

function ownerPid(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = "";
    const socket = createConnection(path);
    const done = (): void => {
      socket.destroy();
      resolve(/^\d+/.exec(text)?.[0]);
    };
    socket.setTimeout(500, done);
    socket.on("data", (chunk) => (text += chunk.toString("latin1")));
    socket.on("end", done);
    socket.on("error", done);
  });
}
