// One terminal of a chat over Hyperswarm, from npm: it meets `multiserver swarm join` and the example `swarm_chat`.
//
//   npm ci --prefix tests/interop/js
//   NODE_PATH=tests/interop/js/node_modules node examples/swarm_chat.js ROOM --name NAME [--bootstrap HOST:PORT]
//
// Lines of stdin go to everybody in the room, theirs to stdout under their names. Who comes and goes is told on stderr. The
// end of stdin and Ctrl-C leave the room.

'use strict'

const readline = require('readline')
const { parseArgs } = require('util')
const Hyperswarm = require('hyperswarm')
const { join } = require('../tests/interop/js/peer-socket')

// How long a peer that does not read may hold up the others, in milliseconds.
const PATIENCE = 5000

const { positionals: [room], values } = parseArgs({
  allowPositionals: true,
  options: { name: { type: 'string' }, bootstrap: { type: 'string', multiple: true } }
})
if (room === undefined) {
  console.error('usage: swarm_chat.js ROOM [--name NAME] [--bootstrap HOST:PORT]...')
  process.exit(2)
}

const swarm = new Hyperswarm({ bootstrap: values.bootstrap })
const chat = join(swarm, room, values.name === undefined ? undefined : { name: values.name })

// A name is what a peer says, and proves nothing; a key is proved.
const key = (socket) => socket.id.slice(0, 8) + '…'
const said = ({ sessionData }) => sessionData && typeof sessionData.name === 'string' ? sessionData.name.trim() : ''
function name (socket) {
  const own = said(socket)
  if (!own) return key(socket)
  const others = [...chat.sockets.values()].filter((other) => other !== socket).map(said)
  return harmless([...others, values.name].includes(own) ? `${own} (${key(socket)})` : own)
}

// What a peer sends must not drive the terminal, nor forge a line.
function harmless (text) {
  return text.replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu, (char) => `\\u{${char.codePointAt(0).toString(16)}}`)
}

chat.on('connect', (socket) => console.error(`${name(socket)} joined, ${socket.id}`))
chat.on('session-data', (socket) => console.error(`${key(socket)} is now called ${name(socket)}`))
chat.on('close', (socket, reason) => console.error(`${name(socket)} left: ${reason}`))
chat.on('message', (socket, message) => {
  const isLine = message && message.type === 'text' && typeof message.text === 'string'
  if (isLine) console.log(`${name(socket)}: ${harmless(message.text)}`)
})

// Tells everybody a line; waits for somebody where nobody is there.
async function tell (text) {
  while (chat.sockets.size === 0) await new Promise((resolve) => chat.once('connect', resolve))
  const full = [...chat.sockets.values()].filter((socket) => socket.send({ type: 'text', text }) === false)
  if (full.length === 0) return
  let timer
  const patience = new Promise((resolve) => { timer = setTimeout(resolve, PATIENCE) })
  await Promise.race([Promise.all(full.map((socket) => socket.drained())), patience])
  clearTimeout(timer)
}

async function leave () {
  await chat.leave()
  await swarm.destroy()
  process.exit()
}

async function main () {
  process.once('SIGINT', leave)
  process.once('SIGTERM', leave)
  for await (const line of readline.createInterface({ input: process.stdin })) await tell(line)
  await leave()
}

main()
