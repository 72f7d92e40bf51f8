// A member of a churned group: kafkajs.
//
//     member.js BOOTSTRAP TOPIC GROUP OUTPUT
//
// Writes `read PARTITION OFFSET VALUE` for each record, commits after it has written, and leaves the group when its
// standard input ends.
'use strict'
const fs = require('fs')
const { Kafka, PartitionAssigners, logLevel } = require('kafkajs')

const [bootstrap, topic, groupId, path] = process.argv.slice(2)
const output = fs.openSync(path, 'w')
const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 1000, initialRetryTime: 100, maxRetryTime: 500 } })
// The round-robin assignor under the name by which all other clients know it: a group needs one that all have.
const roundRobin = config => ({ ...PartitionAssigners.roundRobin(config), name: 'roundrobin' })
const consumer = kafka.consumer({
  groupId, partitionAssigners: [roundRobin], sessionTimeout: 6000, heartbeatInterval: 500, rebalanceTimeout: 6000, maxWaitTimeInMs: 200,
})

async function main() {
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    eachBatch: async ({ batch }) => {
      fs.writeSync(output, batch.messages.map(it => `read ${batch.partition} ${it.offset} ${it.value}\n`).join(''))
    },
  })
  process.stdin.resume()
  process.stdin.on('end', async () => {
    await consumer.disconnect()
    process.exit(0)
  })
}

main()
