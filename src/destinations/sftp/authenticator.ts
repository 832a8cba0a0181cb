// How to prove who we are: each proof is shown once. A server that has refused one is not asked again, so that a wrong
// password does not lock its user out.
import type { AnyAuthMethod, AuthenticationType, AuthHandlerMiddleware, Prompt } from 'ssh2'
import { DeliveryError } from '../driver.ts'
import type { Login } from './login.ts'

export function authenticator(login: Login, server: string) {
  const { username } = login
  const proofs = proofsOf(login)
  let refusal: DeliveryError | null = null
  const refuse = (message: string) => {
    refusal = new DeliveryError('REFUSED_LOGIN', message, { retryable: false })
  }
  let shown: Proof | null = null

  const next = (allowed: AuthenticationType[], isPartial: boolean): AnyAuthMethod | null => {
    const ways = allowed.join(', ')
    if (shown && !isPartial) {
      refuse(`${server} refused the ${shown.name} of ${JSON.stringify(username)}. It takes: ${ways}.`)
      return null
    }
    shown = proofs.find((proof) => allowed.includes(proof.type)) ?? null
    if (shown) proofs.splice(proofs.indexOf(shown), 1)
    else
      refuse(
        `${server} asks ${JSON.stringify(username)} for what the account does not have. It takes: ${ways}.`,
      )
    return shown ? shown.method(refuse) : null
  }
  const handler: AuthHandlerMiddleware = (allowed, isPartial, proceed) => {
    // Before the first answer nothing is known: the request for nothing tells what is taken.
    if (!allowed) return proceed({ type: 'none', username })
    proceed(next(allowed, isPartial) ?? (false as never))
  }
  return {
    handler,
    refusal: () => refusal,
    expired: () =>
      new DeliveryError(
        'REFUSED_LOGIN',
        `${server} wants ${JSON.stringify(username)} to choose a new password first.`,
        { retryable: false },
      ),
  }
}

interface Proof {
  type: AuthenticationType
  name: string
  method(refuse: (message: string) => void): AnyAuthMethod
}

function proofsOf({ username, password, privateKey, passphrase }: Login): Proof[] {
  const proofs: Proof[] = []
  if (privateKey !== undefined) {
    const key = { key: privateKey, ...(passphrase !== undefined && { passphrase }) }
    proofs.push({ type: 'publickey', name: 'key', method: () => ({ type: 'publickey', username, ...key }) })
  }
  if (password !== undefined) {
    proofs.push({
      type: 'password',
      name: 'password',
      method: () => ({ type: 'password', username, password }),
    })
    proofs.push({
      type: 'keyboard-interactive',
      name: 'password',
      method: (refuse) => ({ type: 'keyboard-interactive', username, prompt: prompter(password, refuse) }),
    })
  }
  return proofs
}

/** Many servers ask for the password in words. Whatever else they ask is for people. */
function prompter(password: string, refuse: (message: string) => void) {
  let isAsked = false
  return (_: string, __: string, ___: string, prompts: Prompt[], answer: (answers: string[]) => void) => {
    const isPassword = prompts.length === 1 && prompts[0]?.echo === false && !isAsked
    if (!isPassword) refuse('The server asks for more than a password, which only a person can answer.')
    isAsked = true
    answer(isPassword ? [password] : prompts.map(() => ''))
  }
}
