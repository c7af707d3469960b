/** Lines of main.cf that make Postfix relay through the smarthost. */

import { headerLines } from './comments.ts'
import { postfixValue, shellWord } from './quoting.ts'
import type { ClientSetup } from './setup.ts'

/** Debian's and Ubuntu's file of CAs. */
const SYSTEM_CAS = '/etc/ssl/certs/ca-certificates.crt'

/**
 * @param setup what they are for
 * @returns the lines, comments included
 * @throws UnquotableText for a path that main.cf cannot hold
 */
export function postfixLines(setup: ClientSetup): string {
  const { caPath, certificatePath, fqdn, implicitTls, keyPath, port, tlsDomain } = setup
  const key = shellWord(keyPath)
  return [
    '# For /etc/postfix/main.cf: in place of the lines of the same names there. Then: postfix check && postfix reload',
    ...headerLines(setup),
    '',
    '# Everything for elsewhere goes to the smarthost. In brackets: no MX record is looked up.',
    `relayhost = [${setup.smartHost}]:${port}`,
    '',
    '# Nothing leaves without TLS, nor to a server without a certificate for this name. A next hop that transport_maps',
    '# names needs a line of its own in smtp_tls_policy_maps.',
    'smtp_tls_security_level = secure',
    `smtp_tls_secure_cert_match = ${tlsDomain}`,
    ...(implicitTls ? ['smtp_tls_wrappermode = yes'] : []),
    caPath === null
      ? '# The CAs that may have issued it: those of the system (on RHEL /etc/pki/tls/certs/ca-bundle.crt).'
      : '# The CAs that may have issued it, or itself where it is self-signed.',
    `smtp_tls_CAfile = ${postfixValue(caPath ?? SYSTEM_CAS)}`,
    '',
    '# What this server shows: its certificate first, then the intermediates; and its private key, readable by root only.',
    `#     chown root: ${key} && chmod 600 ${key}`,
    `smtp_tls_cert_file = ${postfixValue(certificatePath)}`,
    `smtp_tls_key_file = ${postfixValue(keyPath)}`,
    ...(fqdn === null ? [] : ['', '# What it says at EHLO.', `smtp_helo_name = ${fqdn}`]),
    '',
    '# One line of the log a connection: "Verified TLS connection established to ...".',
    'smtp_tls_loglevel = 1',
    '',
  ].join('\n')
}
