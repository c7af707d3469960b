/** A router and a transport that make Exim 4 relay through the smarthost. */

import { isLoopback } from '../instance/endpoint.ts'
import { headerLines } from './comments.ts'
import { eximString, shellWord } from './quoting.ts'
import type { ClientSetup } from './setup.ts'

/** The lines between which each part stands: the tests take them apart there. */
export const EXIM_ROUTER =
  '# ---- In the section "begin routers", before the router that sends mail elsewhere (dnslookup):'
export const EXIM_TRANSPORT = '# ---- In the section "begin transports":'

/**
 * @param setup what they are for
 * @returns the lines, comments included
 * @throws UnquotableText for a path that Exim's configuration cannot hold
 */
export function eximLines(setup: ClientSetup): string {
  const { caPath, certificatePath, fqdn, implicitTls, keyPath, port, smartHost } = setup
  const key = shellWord(keyPath)
  // A colon separates hosts but where another character is named; a space would begin the router's options.
  const hosts = smartHost.includes(':') ? `<;${smartHost}` : smartHost
  return [
    "# For Exim's configuration: with Debian's split one /etc/exim4/conf.d/router/190_connectors and",
    '# /etc/exim4/conf.d/transport/30_connectors, then update-exim4.conf; else exim4.conf. Check it with exim4 -bV, try a',
    '# recipient with exim4 -bt, then restart Exim.',
    ...headerLines(setup),
    '',
    EXIM_ROUTER,
    'connectors_smarthost:',
    '  driver = manualroute',
    '  domains = ! +local_domains',
    `  route_data = ${hosts}`,
    '  transport = connectors_smarthost',
    ...(isLoopback(smartHost)
      ? ['  # The smarthost is on this machine, on a port of its own.', '  self = send']
      : []),
    '  # Nothing goes another way while the smarthost is away.',
    '  host_find_failed = defer',
    '  no_more',
    '',
    EXIM_TRANSPORT,
    'connectors_smarthost:',
    '  driver = smtp',
    `  port = ${port}`,
    ...(implicitTls ? ['  protocol = smtps'] : []),
    '  # Nothing leaves without TLS, nor to a server without a certificate for its name from these CAs.',
    '  hosts_require_tls = *',
    '  tls_verify_hosts = *',
    '  tls_verify_cert_hostnames = *',
    `  tls_verify_certificates = ${caPath === null ? 'system' : eximString(caPath)}`,
    '  # What this server shows: its certificate first, then the intermediates; and its private key, readable by the user',
    '  # that Exim runs as:',
    `  #     chown root:Debian-exim ${key} && chmod 640 ${key}`,
    `  tls_certificate = ${eximString(certificatePath)}`,
    `  tls_privatekey = ${eximString(keyPath)}`,
    ...(fqdn === null ? [] : ['  # What it says at EHLO.', `  helo_data = ${fqdn}`]),
    '',
  ].join('\n')
}
