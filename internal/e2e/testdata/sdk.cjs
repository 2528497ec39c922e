// Makes calls with the AWS SDK for JavaScript, or nodemailer's transport over
// it: one JSON object a line on standard input, one answer a line on standard
// output. Binary data in calls is {"$blob": text}.
const clients = {
  ses: ['@aws-sdk/client-ses', 'SESClient'],
  sesv2: ['@aws-sdk/client-sesv2', 'SESv2Client'],
  sns: ['@aws-sdk/client-sns', 'SNSClient'],
}
const made = new Map()

function client(service, keys) {
  const name = service + JSON.stringify(keys)
  if (!made.has(name)) {
    const [pkg, type] = clients[service]
    made.set(name, new (require(pkg)[type])({
      endpoint: keys.endpoint,
      region: keys.region,
      credentials: { accessKeyId: keys.id, secretAccessKey: keys.secret },
      maxAttempts: 1,
    }))
  }
  return made.get(name)
}

function revive(name, value) {
  return value !== null && typeof value === 'object' && '$blob' in value ? Buffer.from(value.$blob) : value
}

function show(name, value) {
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value
}

async function make(call) {
  if (call.service === 'nodemailer') {
    const { SendEmailCommand } = require('@aws-sdk/client-sesv2')
    const transport = require('nodemailer').createTransport({ SES: { sesClient: client('sesv2', call.keys), SendEmailCommand } })
    const { response, envelope } = await transport[call.op](...call.in)
    return { out: { response, envelope } }
  }
  const Command = require(clients[call.service][0])[call.op + 'Command']
  if (Command === undefined) return { skip: 'no operation ' + call.op }
  const { $metadata, ...out } = await client(call.service, call.keys).send(new Command(call.in))
  return { out }
}

async function main() {
  for await (const line of require('readline').createInterface({ input: process.stdin })) {
    const call = JSON.parse(line, revive)
    const answer = await make(call).catch(err => ({ code: err.name, message: err.message, type: err.constructor.name }))
    process.stdout.write(JSON.stringify(answer, show) + '\n')
  }
}
main()
