declare module "unix-dgram" {
  export interface UnixDatagramSocket {
    on(event: "error", listener: (error: Error) => void): this;
    /** `callback` is called before send returns; the `code` of its error is a negated errno. */
    send(data: Buffer, offset: number, length: number, path: string, callback: (error?: Error & { code: unknown }) => void): void;
    close(): void;
  }
  export function createSocket(type: "unix_dgram"): UnixDatagramSocket;
}
