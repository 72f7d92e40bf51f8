// kafkajs. Arguments: bootstrap address, topic prefix.
'use strict'
const { Kafka, CompressionTypes, ConfigResourceTypes, Partitioners, AssignerProtocol, logLevel } = require('kafkajs')
require('./codecs')
const { Report, requireThat, requireEqual } = require('./report')

const [bootstrap, prefix] = process.argv.slice(2)
const kafka = new Kafka({ clientId: 'my-client', brokers: [bootstrap], logLevel: logLevel.NOTHING, connectionTimeout: 60000, requestTimeout: 120000, retry: { retries: 8, initialRetryTime: 50 } })
const shared = kafka.admin()
const EPOCH = 1700000000000
// Against hangs, not a measure of speed.
const WAIT_MS = 180000

// ---- shared steps ---------------------------------------------------------------------------

// A client's own look at topics: kafkajs refuses everything after one topic that it knew is gone.
// A topic that keeps its records, which say that they are years old: a broker looks for such now and then.
async function topic(name, partitions, configs = {}, admin = shared) {
  name = prefix + name
  configs = { 'retention.ms': '-1', ...configs }
  await admin.createTopics({
    waitForLeaders: false,
    topics: [{ topic: name, numPartitions: partitions, replicationFactor: 1, configEntries: Object.entries(configs).map(([name, value]) => ({ name, value })) }],
  })
  const known = async () => {
    try {
      const [found] = (await admin.fetchTopicMetadata({ topics: [name] })).topics
      if (found.partitions.length !== partitions || found.partitions.some(one => one.leader < 0)) return false
      // Known is not yet served; kafkajs sends a whole batch again where one partition of it is refused.
      return (await admin.fetchTopicOffsets(name)).length === partitions
    } catch (error) {
      return false
    }
  }
  await until(`${name} is known`, known)
  return name
}

// Short fetches: kafkajs ends a consumer only after its last fetch is answered.
const QUICK = { maxWaitTimeInMs: 200 }

async function until(what, condition) {
  const end = Date.now() + WAIT_MS
  while (!(await condition())) {
    requireThat(Date.now() < end, `waited too long until ${what}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

async function errorOf(action) {
  try {
    await action()
    return 'none'
  } catch (error) {
    const inner = (error.errors && error.errors[0]) || error.cause || error
    return inner.type || error.type || error.name
  }
}

async function producing(action, settings = {}) {
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, ...settings })
  await producer.connect()
  try {
    return await action(producer)
  } finally {
    await producer.disconnect()
  }
}

function fill(topic, partition, from, to) {
  const messages = []
  for (let i = from; i < to; i++) messages.push({ partition, key: `k${i}`, value: `${i}`, timestamp: `${EPOCH + 1000 * i}` })
  return producing(producer => producer.send({ topic, messages }))
}

// With an admin of its own: kafkajs looks for the leaders in its cached metadata, which a look at another topic
// through the same admin replaces, and says that there is no leader.
async function deleteRecords(topic, partition, offset) {
  const admin = kafka.admin()
  await admin.connect()
  try {
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(offset) }] })
  } finally {
    await admin.disconnect()
  }
}

let groups = 0

// kafkajs reads only in groups: a group of its own for each look at a topic.
async function readAll(topic, count, settings = {}) {
  const consumer = kafka.consumer({ groupId: `${prefix}read-${++groups}`, ...QUICK, ...settings })
  // By partition and offset: a group may hand a record out again.
  const messages = new Map()
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({ eachMessage: async ({ partition, message }) => void messages.set(`${partition} ${message.offset}`, { partition, ...message }) })
  try {
    await until(`${count} records of ${topic} are read`, () => messages.size >= count)
  } finally {
    await consumer.disconnect()
  }
  return [...messages.values()]
}

// ---- groups ---------------------------------------------------------------------------------

class Member {
  constructor(groupId, settings = {}) {
    this.values = []
    this.assigned = []
    this.consumer = kafka.consumer({ groupId, sessionTimeout: 60000, heartbeatInterval: 300, rebalanceTimeout: 120000, ...QUICK, ...settings })
    this.consumer.on(this.consumer.events.GROUP_JOIN, ({ payload }) => {
      this.assigned = Object.values(payload.memberAssignment).flat().sort()
    })
  }

  async start(topic) {
    await this.consumer.connect()
    await this.consumer.subscribe({ topics: [topic], fromBeginning: true })
    await this.consumer.run({ eachMessage: async ({ message }) => void this.values.push(message.value.toString()) })
    return this
  }

  stop() {
    return this.consumer.disconnect()
  }
}

async function group() {
  const where = await topic('group', 6)
  // kafkajs commits behind a batch, and not at all what a rebalance interrupts: others would read it again.
  const committed = offset => until(`all is committed to ${offset}`, async () => {
    const [{ partitions }] = await shared.fetchOffsets({ groupId: prefix + 'group', topics: [where] })
    return partitions.length === 6 && partitions.every(one => one.offset === offset)
  })
  for (let partition = 0; partition < 6; partition++) await fill(where, partition, partition * 100, partition * 100 + 10)
  const first = await new Member(prefix + 'group').start(where)
  await until('one member has all', () => first.values.length >= 60)
  await committed('10')
  const second = await new Member(prefix + 'group').start(where)
  await until('two members share', () => first.assigned.length === 3 && second.assigned.length === 3)
  requireThat(!first.assigned.some(partition => second.assigned.includes(partition)), 'both have the same partition')
  first.values = []
  for (let partition = 0; partition < 6; partition++) await fill(where, partition, partition * 100 + 10, partition * 100 + 20)
  await until('both read on', () => first.values.length + second.values.length >= 60)
  requireEqual(30, second.values.length, 'records of the second')
  await committed('20')
  await second.stop()
  await until('the first has all again', () => first.assigned.length === 6)
  first.values = []
  for (let partition = 0; partition < 6; partition++) await fill(where, partition, partition * 100 + 20, partition * 100 + 21)
  await until('the first reads on', () => first.values.length >= 6)
  const after = first.values.map(Number).sort((a, b) => a - b)
  await first.stop()
  return `after=${after}`
}

// Commits an offset of partition 0 as a member of the group that reads nothing. (The admin client's
// setOffsets waits for a fetch that may never come.)
async function commit(groupId, topic, offset) {
  const consumer = kafka.consumer({ groupId, ...QUICK })
  let joined = false
  consumer.on(consumer.events.GROUP_JOIN, () => void (joined = true))
  await consumer.connect()
  await consumer.subscribe({ topics: [topic] })
  await consumer.run({ autoCommit: false, eachMessage: async () => {} })
  await until('the committing member has joined', () => joined)
  await consumer.commitOffsets([{ topic, partition: 0, offset }])
  await consumer.disconnect()
}

async function groupAdmin() {
  const where = await topic('described', 3)
  const groupId = prefix + 'described'
  await fill(where, 0, 0, 10)
  const member = await new Member(groupId).start(where)
  await until('all is read', () => member.values.length >= 10)
  const [described] = (await shared.describeGroups([groupId])).groups
  const listed = (await shared.listGroups()).groups.filter(one => one.groupId === groupId)
  const assignment = AssignerProtocol.MemberAssignment.decode(described.members[0].memberAssignment).assignment[where]
  await member.stop()
  const answers = [described.state, described.protocol, described.protocolType, described.members.length, described.members[0].clientId,
    described.members[0].clientHost, assignment, listed.map(one => one.protocolType)]
  const offsets = async () => {
    let found
    // kafkajs leaves partitions out while its own metadata is being read again.
    await until('the offsets of all partitions are told', async () => {
      found = (await shared.fetchOffsets({ groupId, topics: [where] }))[0].partitions.map(one => `${one.partition}:${one.offset}`)
      return found.length === 3
    })
    return found
  }
  answers.push(await offsets())
  await commit(groupId, where, '3')
  answers.push(await offsets())
  const again = await new Member(groupId).start(where)
  await until('it is read from the set offset', () => again.values.length >= 7)
  await again.stop()
  answers.push(again.values)
  return JSON.stringify(answers)
}

async function commits() {
  const where = await topic('commits', 1)
  await fill(where, 0, 0, 20)
  const consumer = kafka.consumer({ groupId: prefix + 'commits', ...QUICK })
  let count = 0
  await consumer.connect()
  await consumer.subscribe({ topics: [where], fromBeginning: true })
  await consumer.run({ autoCommit: false, eachMessage: async () => void count++ })
  await until('all is read', () => count >= 20)
  await consumer.commitOffsets([{ topic: where, partition: 0, offset: '7', metadata: 'seven' }])
  const tooLong = await errorOf(() => consumer.commitOffsets([{ topic: where, partition: 0, offset: '7', metadata: 'x'.repeat(5000) }]))
  await consumer.disconnect()
  const again = kafka.consumer({ groupId: prefix + 'commits', ...QUICK })
  let first
  await again.connect()
  await again.subscribe({ topics: [where] })
  await again.run({ eachMessage: async ({ message }) => void (first = first || message.offset) })
  await until('it is read on', () => first !== undefined)
  await again.disconnect()
  return `too-long=${tooLong} resumed=${first}`
}

// ---- topics ---------------------------------------------------------------------------------

async function topics() {
  const admin = kafka.admin()
  await admin.connect()
  const name = await topic('created', 3, { 'retention.ms': '1234' }, admin)
  const create = one => errorOf(() => admin.createTopics({ waitForLeaders: false, topics: [one] }))
  const answers = {
    // kafkajs answers false where the topic exists.
    exists: await admin.createTopics({ waitForLeaders: false, topics: [{ topic: name, numPartitions: 1, replicationFactor: 1 }] }),
    badName: await create({ topic: 'a b', numPartitions: 1, replicationFactor: 1 }),
    twoReplicas: await create({ topic: prefix + 'e1', numPartitions: 1, replicationFactor: 2 }),
    noPartitions: await create({ topic: prefix + 'e2', numPartitions: 0, replicationFactor: 1 }),
    badConfig: await create({ topic: prefix + 'e3', numPartitions: 1, replicationFactor: 1, configEntries: [{ name: 'no.such', value: '1' }] }),
    validateOnly: await admin.createTopics({ waitForLeaders: false, validateOnly: true, topics: [{ topic: prefix + 'e4', numPartitions: 1, replicationFactor: 1 }] }),
  }
  await admin.createPartitions({ topicPartitions: [{ topic: name, count: 5 }] })
  const partitions = async () => (await admin.fetchTopicMetadata({ topics: [name] })).topics[0].partitions.length
  await until('five partitions are known', async () => (await partitions()) === 5)
  answers.fewer = await errorOf(() => admin.createPartitions({ topicPartitions: [{ topic: name, count: 1 }] }))
  const { resources } = await admin.describeConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name, configNames: ['retention.ms'] }] })
  answers.retention = resources[0].configEntries.map(entry => [entry.configName, entry.configValue, entry.configSource])
  await admin.deleteTopics({ topics: [name] })
  await until('the topic is gone', async () => !(await admin.listTopics()).includes(name))
  answers.deleteAgain = await errorOf(() => admin.deleteTopics({ topics: [name] }))
  const cluster = await admin.describeCluster()
  answers.brokers = cluster.brokers.length
  answers.clusterId = cluster.clusterId.length
  await admin.disconnect()
  return JSON.stringify(answers)
}

async function offsets() {
  const name = await topic('offsets', 2)
  await fill(name, 0, 0, 10)
  const answers = {
    all: (await shared.fetchTopicOffsets(name)).sort((a, b) => a.partition - b.partition),
    byTime: (await shared.fetchTopicOffsetsByTimestamp(name, EPOCH + 6500)).sort((a, b) => a.partition - b.partition),
  }
  await deleteRecords(name, 0, 4)
  answers.afterDelete = (await shared.fetchTopicOffsets(name)).filter(one => one.partition === 0)
  answers.beyond = await errorOf(() => deleteRecords(name, 0, 99))
  return JSON.stringify(answers)
}

// ---- producing and consuming ----------------------------------------------------------------

async function acks(level) {
  const name = await topic(`acks-${level}`, 1)
  await producing(async producer => {
    for (let i = 0; i < 500; i += 50) {
      await producer.send({ topic: name, acks: level, messages: Array.from({ length: 50 }, (_, j) => ({ value: `${i + j}` })) })
    }
  })
  const values = (await readAll(name, 500)).map(message => Number(message.value.toString()))
  requireEqual(Array.from({ length: 500 }, (_, i) => i), values, 'values in order')
  return 'records=500'
}

async function idempotent() {
  const name = await topic('idempotent', 1)
  await producing(async producer => {
    for (let i = 0; i < 20; i++) {
      const [answer] = await producer.send({ topic: name, messages: Array.from({ length: 20 }, (_, j) => ({ value: `${i * 20 + j}` })) })
      requireEqual(`${i * 20}`, answer.baseOffset, 'base offset')
    }
  }, { idempotent: true, maxInFlightRequests: 1 })
  const values = (await readAll(name, 400)).map(message => Number(message.value.toString()))
  requireEqual(Array.from({ length: 400 }, (_, i) => i), values, 'values in order')
  return 'in order, once'
}

async function codec(label, compression) {
  const name = await topic(`codec-${label}`, 2)
  const messages = Array.from({ length: 400 }, (_, i) => ({
    partition: i % 2,
    key: `key ${i}`,
    value: `value ${i} ${'abc '.repeat(i % 50)}`,
    timestamp: `${EPOCH + i}`,
    headers: { n: [`${i}`, 'again'] },
  }))
  await producing(producer => producer.send({ topic: name, compression, messages }))
  const next = [0, 1]
  for (const message of await readAll(name, 400)) {
    const i = next[message.partition]
    next[message.partition] += 2
    requireEqual(messages[i].key, message.key.toString(), 'key')
    requireEqual(messages[i].value, message.value.toString(), 'value')
    requireEqual(messages[i].timestamp, message.timestamp, 'timestamp')
    requireEqual(messages[i].headers.n, message.headers.n.map(String), 'headers')
  }
  return 'records=400'
}

async function nulls() {
  const name = await topic('nulls', 1)
  const messages = [{ key: null, value: 'v' }, { key: 'k', value: null }, { key: null, value: null }, { key: 'k', value: '' }]
  await producing(producer => producer.send({ topic: name, messages }))
  return (await readAll(name, 4)).map(message => `${message.key}/${message.value}`)
}

async function large() {
  const name = await topic('large', 1)
  const answers = []
  await producing(async producer => {
    for (const size of [900000, 1048400, 1048588, 2000000]) {
      answers.push(`${size}=${await errorOf(() => producer.send({ topic: name, messages: [{ value: Buffer.alloc(size) }] }))}`)
    }
  }, { retry: { retries: 0 } })
  const read = (await readAll(name, 2, { maxBytesPerPartition: 1000 })).map(message => message.value.length)
  return `${answers} read=${read}`
}

async function manyPartitions() {
  const name = await topic('many', 40)
  await producing(producer => producer.send({ topic: name, messages: Array.from({ length: 800 }, (_, i) => ({ partition: i % 40, value: `${i}` })) }))
  return `distinct=${new Set((await readAll(name, 800)).map(message => message.value.toString())).size}`
}

async function partitionsByKey() {
  const name = await topic('by-key', 7)
  const counts = {}
  await producing(producer => producer.send({ topic: name, messages: Array.from({ length: 200 }, (_, i) => ({ key: `key-${i}`, value: 'x' })) }))
  for (const message of await readAll(name, 200)) counts[message.partition] = (counts[message.partition] || 0) + 1
  return JSON.stringify(counts)
}

async function seek() {
  const name = await topic('seek', 1)
  await fill(name, 0, 0, 100)
  const consumer = kafka.consumer({ groupId: prefix + 'seek', ...QUICK })
  const seen = []
  await consumer.connect()
  await consumer.subscribe({ topics: [name], fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => void seen.push(Number(message.offset)) })
  await until('all is read', () => seen.length >= 100)
  seen.length = 0
  consumer.seek({ topic: name, partition: 0, offset: '42' })
  await until('it is read from 42', () => seen.length >= 58)
  const first = seen[0]
  consumer.pause([{ topic: name }])
  await fill(name, 0, 100, 101)
  seen.length = 0
  await new Promise(resolve => setTimeout(resolve, 300))
  const paused = seen.length
  consumer.resume([{ topic: name }])
  await until('it is read after a pause', () => seen.length >= 1)
  await consumer.disconnect()
  return `first=${first} while-paused=${paused} after=${seen}`
}

async function outOfRange() {
  const name = await topic('range', 1)
  await fill(name, 0, 0, 10)
  const groupId = prefix + 'range'
  await commit(groupId, name, '1')
  await deleteRecords(name, 0, 3)
  const member = await new Member(groupId).start(name)
  await until('it is read from the first offset there is', () => member.values.length >= 7)
  await member.stop()
  return member.values
}

async function unknown() {
  const name = await topic('few', 1)
  return JSON.stringify({
    // The topic is known a moment after it was asked for.
    autoCreated: await producing(producer => errorOf(() => producer.send({ topic: prefix + 'auto', messages: [{ value: 'x' }] })), { retry: { retries: 100, initialRetryTime: 50, maxRetryTime: 1000 } }),
    notCreated: await producing(producer => errorOf(() => producer.send({ topic: prefix + 'nobody', messages: [{ value: 'x' }] })),
      { allowAutoTopicCreation: false, retry: { retries: 1, initialRetryTime: 50 } }),
    badPartition: await producing(producer => errorOf(() => producer.send({ topic: name, messages: [{ partition: 9, value: 'x' }] })), { retry: { retries: 0 } }),
    listed: (await shared.listTopics()).includes(prefix + 'nobody'),
  })
}

async function main() {
  const report = new Report('kafkajs')
  await shared.connect()
  await report.run({
    group,
    'group-admin': groupAdmin,
    'group-commits': commits,
    topics,
    offsets,
    'produce-acks-0': () => acks(0),
    'produce-acks-1': () => acks(1),
    'produce-acks-all': () => acks(-1),
    'produce-idempotent': idempotent,
    'codec-none': () => codec('none', CompressionTypes.None),
    'codec-gzip': () => codec('gzip', CompressionTypes.GZIP),
    'codec-snappy': () => codec('snappy', CompressionTypes.Snappy),
    'codec-lz4': () => codec('lz4', CompressionTypes.LZ4),
    'codec-zstd': () => codec('zstd', CompressionTypes.ZSTD),
    'records-null-and-empty': nulls,
    'records-large': large,
    'partitions-many': manyPartitions,
    'partitions-by-key': partitionsByKey,
    'consume-seek': seek,
    'consume-out-of-range': outOfRange,
    unknown,
  }, 5, 600000)
  await shared.disconnect()
  process.exit(report.failed ? 1 : 0)
}

main()
