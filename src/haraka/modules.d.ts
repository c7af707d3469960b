/** Haraka's own packages carry no types; this is what is used of them. */

declare module 'haraka-constants' {
  const constants: {
    readonly cont: 900
    readonly deny: 902
    readonly denysoft: 903
    readonly denydisconnect: 904
    readonly ok: 906
    readonly denysoftdisconnect: 909
    readonly connection: {
      readonly state: { readonly PAUSE: number; readonly DATA: number; readonly DISCONNECTING: number }
    }
  }
  export default constants
}

declare module 'haraka-dsn' {
  interface Dsn {
    readonly code: number
    readonly reply: string
  }
  const DSN: {
    /** A reply with the enhanced status `<first digit of code>.<subject>.<detail>` (RFC 3463). */
    create(code: number, message: string, subject: number, detail: number): Dsn
  }
  export default DSN
}

declare module 'haraka-config/lib/readers/ini.js' {
  const ini: {
    /** Haraka's own reading of an .ini text. */
    parseIni(
      name: string,
      options: { booleans?: readonly string[] },
      text: string,
    ): Record<string, Record<string, string | number | boolean | (string | number)[]>>
    /** Told of every line that it could not read. */
    logger: (message: string) => void
  }
  export default ini
}
