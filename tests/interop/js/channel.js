'use strict'
// The JavaScript multiserver over a pipe of messages: node channel.js OPTIONS, one JSON object (stacks.js, behaviours.js)
// with one of
//
//   "do":"serve"     accepts the one connection that the pipe is
//   "do":"dial"      dials options.address over it
//
// The messages are the lines of stdin and stdout; with `swap`, each two of data to stdout change places once there is a
// connection. What happens goes to stderr, as one JSON object a line: connection {remote}, done {…}, refused {message},
// crash {message}, closed (stdin).

const EventEmitter = require('events')
const readline = require('readline')
const { makeOver, base64 } = require('./stacks')
const { run } = require('./behaviours')

const options = JSON.parse(process.argv[2])
const say = (event, more) => process.stderr.write(JSON.stringify({ event, ...more }) + '\n')
process.on('uncaughtException', (error) => say('crash', { message: String(error && error.stack) }))

const channel = new EventEmitter()
let connected = false
let held
channel.send = (message) => {
  if (options.swap && connected && held === undefined && JSON.parse(message).type === 'data') return (held = message)
  process.stdout.write(message + '\n')
  if (held !== undefined) process.stdout.write(held + '\n')
  held = undefined
}
readline
  .createInterface({ input: process.stdin })
  .on('line', (line) => channel.emit('message', line))
  .on('close', () => say('closed'))

function onConnection(stream) {
  connected = true
  say('connection', { remote: base64(stream.remote) })
  // The package reads a source that answers at once by recursion, and a long one would overflow the stack.
  const later = (read) => (abort, cb) => setImmediate(read, abort, cb)
  const { source, sink } = stream
  run({ source, sink: (read) => sink(later(read)) }, options, (result) => say('done', result))
}

const refused = (error) => error && say('refused', { message: error.message })
const multi = makeOver(channel, options, () => {})
if (options.do === 'serve') multi.server(onConnection, refused, refused)
else multi.client(options.address, (error, stream) => (error ? refused(error) : onConnection(stream)))
