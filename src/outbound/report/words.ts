/** RFC 3463's codes in words, for somebody who has never heard of them. */

/** What happened, and what can be done about it; both whole sentences. */
export interface Words {
  readonly what: string
  readonly advice: string
}

const ASK_ADMINISTRATOR = 'Show this whole message to your administrator.'
const CHECK_ADDRESS = 'Look for a typing error in the address. If it is right, ask the recipient another way.'
const TRY_LATER = 'Send it again later. If that does not help, tell the recipient another way.'
const MAKE_SMALLER = 'Send it again with smaller attachments, or share the files another way.'
const TELL_RECIPIENT = 'Tell the recipient another way: only they or their administrator can change this.'
const CHECK_SENDER = `Check the address that your program sends from. If it is right: ${lower(ASK_ADMINISTRATOR)}`
const READ_ANSWER = `Read the reason below. If it does not help: ${lower(ASK_ADMINISTRATOR)}`

const NO_PROOF = "The recipient's mail server found no proof that the message comes from whom it says."

/** By class, subject and detail, where x stands for any. */
const TABLE: ReadonlyMap<string, Words> = new Map(
  [
    // Addresses
    ['x.1.x', 'The address was not accepted.', CHECK_ADDRESS],
    ['x.1.1', 'There is no mailbox with this address.', CHECK_ADDRESS],
    ['x.1.2', 'There is no mail server for what stands after the @ in the address.', CHECK_ADDRESS],
    ['x.1.3', 'The address is not written as an address has to be.', CHECK_ADDRESS],
    ['x.1.4', 'The address could mean more than one mailbox.', CHECK_ADDRESS],
    ['x.1.6', 'The mailbox has moved and left no new address.', CHECK_ADDRESS],
    ['x.1.7', 'The address that it was sent from is not written as an address has to be.', CHECK_SENDER],
    ['x.1.8', 'The address that it was sent from was not accepted.', CHECK_SENDER],
    ['x.1.10', 'What stands after the @ in the address takes no mail at all.', CHECK_ADDRESS],
    // Mailboxes
    ['x.2.x', 'The mailbox did not take the message.', TELL_RECIPIENT],
    ['x.2.1', 'The mailbox exists, but takes no messages.', TELL_RECIPIENT],
    ['x.2.2', 'The mailbox is full.', 'Send it again later: the recipient has to make room first.'],
    ['x.2.3', 'The message is larger than this mailbox takes.', MAKE_SMALLER],
    ['x.2.4', 'The members of the mailing list could not be found out.', TELL_RECIPIENT],
    // Mail systems
    ['x.3.x', "The recipient's mail server has a fault.", TRY_LATER],
    ['x.3.1', "The recipient's mail server has no room left.", TRY_LATER],
    ['x.3.2', "The recipient's mail server takes no messages at present.", TRY_LATER],
    ['x.3.3', 'The message asks for something that the next mail server cannot do.', ASK_ADMINISTRATOR],
    ['x.3.4', 'The message is too large for the next mail server.', MAKE_SMALLER],
    ['x.3.5', 'A mail server on the way is not set up as it should be.', ASK_ADMINISTRATOR],
    // The way there
    ['x.4.x', 'The next mail server could not be reached.', TRY_LATER],
    ['x.4.1', 'The next mail server did not answer.', TRY_LATER],
    ['x.4.2', 'The connection to the next mail server broke.', TRY_LATER],
    ['x.4.3', 'It could not be looked up where mail for this address goes.', TRY_LATER],
    ['x.4.4', 'No way to this address is known.', `${CHECK_ADDRESS} Or: ${lower(ASK_ADMINISTRATOR)}`],
    ['x.4.5', "The recipient's mail server is too busy.", TRY_LATER],
    ['x.4.6', 'The message went round in circles between mail servers.', ASK_ADMINISTRATOR],
    ['x.4.7', 'The message could not be delivered in the time that there is for it.', TRY_LATER],
    // What the servers say to each other
    ['x.5.x', 'The next mail server and this one did not understand each other.', ASK_ADMINISTRATOR],
    ['x.5.3', 'The next mail server does not take so many recipients at once.', 'Send it to fewer.'],
    // Contents
    ['x.6.x', 'The next mail server cannot handle what is in the message.', ASK_ADMINISTRATOR],
    ['x.6.1', 'The next mail server does not take what is in the message.', 'Leave out the attachments.'],
    ['x.6.7', 'The next mail server takes no addresses with other letters than A to Z.', CHECK_ADDRESS],
    // Security and policy
    ['x.7.x', 'A rule of the next mail server does not let the message through.', READ_ANSWER],
    ['4.7.x', 'The next mail server does not take the message at present.', TRY_LATER],
    ['5.7.1', "The recipient's mail server refused the message.", READ_ANSWER],
    ['x.7.2', 'The mailing list does not take messages from this sender.', TELL_RECIPIENT],
    [
      'x.7.4',
      'It needs an encrypted connection to the next mail server; none came about.',
      ASK_ADMINISTRATOR,
    ],
    [
      'x.7.5',
      'The next mail server did not prove, by its certificate, that it is the right one.',
      ASK_ADMINISTRATOR,
    ],
    ['x.7.8', 'The next mail server did not accept the name and password of this one.', ASK_ADMINISTRATOR],
    ['x.7.10', 'The next mail server wants an encrypted connection; none came about.', ASK_ADMINISTRATOR],
    ['x.7.20', NO_PROOF, ASK_ADMINISTRATOR],
    ['x.7.21', NO_PROOF, ASK_ADMINISTRATOR],
    ['x.7.22', NO_PROOF, ASK_ADMINISTRATOR],
    ['x.7.23', NO_PROOF, ASK_ADMINISTRATOR],
    ['x.7.24', NO_PROOF, ASK_ADMINISTRATOR],
    ['x.7.25', 'The next mail server does not trust the address of this one.', ASK_ADMINISTRATOR],
    ['x.7.26', NO_PROOF, ASK_ADMINISTRATOR],
    ['x.7.27', 'What stands after the @ in the address that it was sent from takes no mail.', CHECK_SENDER],
    ['x.7.28', "The recipient's mail server got too many messages like this one.", TRY_LATER],
    ['5.7.64', 'The next mail server does not pass on messages from this one.', ASK_ADMINISTRATOR],
    // All else
    ['4.x.x', 'The next mail server could not take the message.', TRY_LATER],
    ['5.x.x', 'The next mail server refused the message.', READ_ANSWER],
  ].map(([code = '', what = '', advice = '']) => [code, { what, advice }]),
)

/** Where this server decided, and the code says nothing. */
const OWN_DECISION: Words = { what: 'This mail server does not send the message on.', advice: READ_ANSWER }

/**
 * @param status RFC 3463, of class 4 or 5, e.g. `5.1.1`
 * @param answered whether another server said it
 * @returns what that means
 */
export function wordsFor(status: string, answered: boolean): Words {
  const [kind, subject, detail] = status.split('.')
  const codes = [status, `x.${subject}.${detail}`, `${kind}.${subject}.x`, `x.${subject}.x`]
  const known = [...codes, ...(answered ? [`${kind}.x.x`] : [])].find((code) => TABLE.has(code))
  return (known === undefined ? undefined : TABLE.get(known)) ?? OWN_DECISION
}

function lower(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1)
}
